/** The results that are saved so far, as the page shows them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile } from '@dm/files';
import type { Results } from './page.js';
import { recipes, seeds } from './recipes.js';
import type { StepTimes } from './step-times.js';
import type { TrialResult } from './trial.js';

/** Reads the results in `folder`: trials in the order of their seeds and recipes. */
export function readResults(folder: string): Results {
  const order = Object.keys(recipes);
  const read = (...path: string[]) => readJsonFile(join(folder, ...path));
  const trialsOf = (group: string) =>
    readdirSync(join(folder, group))
      .map((name) => read(group, name) as TrialResult)
      .toSorted((a, b) => a.seed - b.seed || order.indexOf(a.recipe) - order.indexOf(b.recipe));
  return {
    times: read('step-times.json') as StepTimes[],
    rule: read('rule.json') as Results['rule'],
    rates: trialsOf('rates'),
    trials: trialsOf('finals'),
    seeds,
  };
}
