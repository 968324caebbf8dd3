import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { SpeedFile } from './contenders.js';
import { median, withSpeedTables } from './tables.js';
import { works } from './steps.js';

const page = readFileSync(new URL('../../../../docs/browser.md', import.meta.url), 'utf8');
const file = JSON.parse(readFileSync(new URL('../../results/speed.json', import.meta.url), 'utf8')) as SpeedFile;

it('docs/browser.md has the tables of results/speed.json', () => {
  expect(withSpeedTables(page, file)).toBe(page);
});

it('all contenders compute the same step', () => {
  for (const work of works) {
    const losses = file.results.flatMap((one) => (one.work === work && one.loss !== undefined ? [one.loss] : []));
    expect(losses.length).toBeGreaterThan(6);
    expect(losses).toBeAllClose(
      losses.map(() => losses[0]!),
      { rtol: 1e-5 },
    );
  }
});

it('medians', () => {
  expect([median([3]), median([4, 1, 2, 3]), median([10, 1, 2])]).toEqual([3, 2.5, 2]);
});
