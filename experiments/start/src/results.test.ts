// results/laptop/README.md has the numbers of the committed results.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { recipes } from './recipes.js';
import { resultRows } from './table.js';
import type { TrialResult } from './trial.js';

const folder = join(import.meta.dirname, '..', 'results', 'laptop');
const read = (path: string): unknown => JSON.parse(readFileSync(join(folder, path), 'utf8'));
const finals = readdirSync(join(folder, 'finals'))
  .toSorted()
  .map((name) => read(join('finals', name)) as TrialResult);
const page = readFileSync(join(folder, 'README.md'), 'utf8').replaceAll(/ +/g, ' ');

it('the page has a row for each recipe and sampler setting', () => {
  expect(resultRows(finals).length).toBeGreaterThan(3);
  for (const row of resultRows(finals)) expect(page).toContain(row);
  for (const { recipe } of finals) expect(Object.keys(recipes)).toContain(recipe);
});

it('the rule for readable digits holds, and the page has its figures', () => {
  const { testImages, averages } = read('rule.json') as { readonly testImages: number; readonly averages: number };
  expect(testImages).toBeGreaterThan(0.95);
  expect(averages).toBeLessThan(0.2);
  for (const value of [testImages, averages]) expect(page).toContain(`${(100 * value).toFixed(1)} %`);
});

it('means are over the seeds', () => {
  const one = { recipe: 'a', seed: 1, steps: 1, images: 1, samples: { plain: { readable: 0.5, fd: 1 } } };
  const rows = resultRows([one, { ...one, samples: { plain: { readable: 1, fd: 4 } } }]);
  expect(rows).toEqual(['| `a` | plain | 2 | 75.0 % | 2.5 |']);
});
