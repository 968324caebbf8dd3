// results/laptop/README.md is the page of the committed results.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileError } from '@dm/files';
import { expect, it } from 'vitest';
import { bestRate, resultRows, resultsPage } from './page.js';
import { readResults } from './read-results.js';
import { scheduleFreeName, seeds, timed } from './recipes.js';
import { stepsOf } from './step-times.js';

const folder = join(import.meta.dirname, '..', 'results', 'laptop');
const results = readResults(folder);
const { times, rule, rates, trials } = results;

it('the page has the committed results', () => {
  const page = readFileSync(join(folder, 'README.md'), 'utf8');
  expect(resultsPage(results)).toBe(page);
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

it('trials have the steps on the page', () => {
  for (const { recipe, steps } of [...rates, ...trials]) expect(steps, recipe).toBe(stepsOf(recipe, times));
});

it('docs/paper.md has the results of guided samples', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/paper.md'), 'utf8').replaceAll(/\s+/g, ' ');
  const mean = (recipe: string, measure: 'readable' | 'fd') => {
    const values = trials
      .filter((one) => one.recipe === recipe)
      .map(({ samples }) => samples['guidance 1.5']![measure]);
    expect(values).toHaveLength(seeds.length);
    return values.reduce((a, b) => a + b) / values.length;
  };
  const winner = scheduleFreeName(bestRate(rates));
  const share = (recipe: string) => `${(100 * mean(recipe, 'readable')).toFixed(1)}%`;
  const [, ...shares] = /([\d.]+%) of its guided.* ([\d.]+%) with the preset.*draws, ([\d.]+%) are/.exec(page)!;
  expect(shares).toEqual([winner, 'mnist-fast', 'muon-speed'].map(share));
  const [, ...distances] = /distances are ([\d.]+) and ([\d.]+),/.exec(page)!;
  expect(distances).toEqual([winner, 'mnist-fast'].map((recipe) => mean(recipe, 'fd').toFixed(1)));
  expect(page).toContain(`rate is ${bestRate(rates)},`);
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
  const ones = Object.fromEntries(Object.keys(timed).map((name) => [name, 1]));
  const times = [{ machine: 'none', ms: ones, steps: ones }];
  expect(resultsPage({ times, rule, rates, trials: two, seeds })).toContain('**16 of 18 trials are missing.**');
});

it('results of several classifiers are refused', () => {
  const copy = mkdtempSync(join(tmpdir(), 'dm-start-'));
  const mark = (path: string, weightsSha256: string) => {
    const value = JSON.parse(readFileSync(join(copy, path), 'utf8')) as object;
    writeFileSync(join(copy, path), JSON.stringify({ ...value, weightsSha256 }));
  };
  const refusal = (...contains: string[]) => ({ type: FileError, code: 'FILE_INVALID', contains: [copy, ...contains] });
  try {
    cpSync(folder, copy, { recursive: true });
    const paths = ['rates', 'finals'].flatMap((group) =>
      readdirSync(join(copy, group)).map((name) => join(group, name)),
    );
    for (const path of paths) mark(path, 'ab12');
    // The rule is from before the hash was recorded.
    expect(() => readResults(copy)).toThrowWith(refusal('ab12', 'not recorded'));
    mark('rule.json', 'ab12');
    expect(readResults(copy).rule).toEqual({ ...rule, weightsSha256: 'ab12' });
    mark(paths[0]!, 'cd34');
    expect(() => readResults(copy)).toThrowWith(refusal('ab12', 'cd34'));
  } finally {
    rmSync(copy, { recursive: true });
  }
});
