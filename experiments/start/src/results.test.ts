// results/laptop/README.md is the page of the committed results.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resultRows, resultsPage, type Results } from './page.js';
import { recipes, seeds } from './recipes.js';
import type { StepTimes } from './step-times.js';
import type { TrialResult } from './trial.js';

const folder = join(import.meta.dirname, '..', 'results', 'laptop');
const read = (path: string): unknown => JSON.parse(readFileSync(join(folder, path), 'utf8'));
const rule = read('rule.json') as Results['rule'];
const order = Object.keys(recipes);
const trials = readdirSync(join(folder, 'finals'))
  .map((name) => read(join('finals', name)) as TrialResult)
  .toSorted((a, b) => a.seed - b.seed || order.indexOf(a.recipe) - order.indexOf(b.recipe));

it('the page has the committed results', () => {
  const page = readFileSync(join(folder, 'README.md'), 'utf8');
  expect(resultsPage({ times: read('step-times.json') as StepTimes, rule, trials, seeds })).toBe(page);
});

it('the README has the shares of readable digits', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8').replaceAll(/\s+/g, ' ');
  const share = (recipe: string, setting: string) => {
    const values = trials.filter((trial) => trial.recipe === recipe).map(({ samples }) => samples[setting]!.readable);
    return `${Math.round((100 * values.reduce((a, b) => a + b)) / values.length)}%`;
  };
  const [plain, guided, paper] = [
    share('mnist-fast', 'plain'),
    share('mnist-fast', 'guidance 1.5'),
    share('mnist', 'plain'),
  ];
  const [, ...shares] = /(\d+%) of them \((\d+%) with guidance\) instead of (\d+%)/.exec(readme)!;
  expect(shares).toEqual([plain, guided, paper]);
});

it('the rule for readable digits holds', () => {
  expect(rule.testImages).toBeGreaterThan(0.95);
  expect(rule.averages).toBeLessThan(0.2);
});

it('rows have means and ranges over the seeds; missing trials are counted', () => {
  const one = { recipe: 'a', seed: 1, steps: 1, images: 1, samples: { plain: { readable: 0.5, fd: 1 } } };
  expect(resultRows([one])).toEqual(['| `a` | plain | 1 | 50.0% | 1.0 |']);
  const two = [one, { ...one, samples: { plain: { readable: 1, fd: 4 } } }];
  expect(resultRows(two)).toEqual(['| `a` | plain | 2 | 75.0% (50.0 to 100.0) | 2.5 (1.0 to 4.0) |']);
  const times = {
    machine: 'none',
    ms: Object.fromEntries(order.map((n) => [n, 1])),
    steps: Object.fromEntries(order.map((n) => [n, 1])),
  };
  expect(resultsPage({ times, rule, trials: two, seeds })).toContain('**10 of 12 trials are missing.**');
});
