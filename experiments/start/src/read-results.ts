/** The results that are saved so far, as the page shows them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, readJsonFile } from '@dm/files';
import type { Results } from './page.js';
import { recipes, seeds } from './recipes.js';
import type { StepTimes } from './step-times.js';
import type { TrialResult } from './trial.js';

/**
 * Reads the results in `folder`: trials in the order of their seeds and recipes.
 *
 * @throws {FileError} `FILE_INVALID` if they come from several classifiers
 */
export function readResults(folder: string): Results {
  const order = Object.keys(recipes);
  const read = (...path: string[]) => readJsonFile(join(folder, ...path));
  const trialsOf = (group: string) =>
    readdirSync(join(folder, group))
      .map((name) => read(group, name) as TrialResult)
      .toSorted((a, b) => a.seed - b.seed || order.indexOf(a.recipe) - order.indexOf(b.recipe));
  const results = {
    times: read('step-times.json') as StepTimes[],
    rule: read('rule.json') as Results['rule'],
    rates: trialsOf('rates'),
    trials: trialsOf('finals'),
    seeds,
  };
  requireOneClassifier(folder, [results.rule, ...results.rates, ...results.trials]);
  return results;
}

/**
 * Checks that results come from one classifier. Those from before it was recorded count as one unknown classifier.
 *
 * @throws {FileError} `FILE_INVALID` if they come from several, with their hashes
 */
export function requireOneClassifier(folder: string, results: readonly { readonly weightsSha256?: string }[]): void {
  const hashes = [...new Set(results.map(({ weightsSha256 }) => weightsSha256 ?? 'not recorded'))];
  if (hashes.length === 1) return;
  throw new FileError(
    folder,
    `has results of several classifiers, which cannot be compared (SHA-256 of the weights: ${hashes.join(', ')}). ` +
      'Restore the classifier, or remove the results and run them again.',
    { code: 'FILE_INVALID' },
  );
}
