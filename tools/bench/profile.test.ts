import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { byClass } from './operator-classes.mjs';
import { withProfileTables, type Profiled } from './profile-table.mjs';

const results = JSON.parse(readFileSync(new URL('results/profile.json', import.meta.url), 'utf8')) as {
  machines: Profiled[];
};

it('docs/engine.md has the tables of results/profile.json', () => {
  const page = readFileSync(new URL('../../docs/engine.md', import.meta.url), 'utf8');
  expect(withProfileTables(page, results)).toBe(page);
});

it('the classes of each case add up to its time', () => {
  for (const { cases } of results.machines) {
    for (const { ms, classes } of cases) {
      expect(classes.reduce((sum, one) => sum + one.ms, 0)).toBeCloseTo(ms, 6);
    }
  }
});

it('adds up time and operations by class; an operator in no class is element-wise', () => {
  const node = (op: string, ms: number, flops = 0) => ({ op, ms, flops });
  const sums = byClass([node('Conv', 2, 10), node('Conv', 1, 5), node('Mul', 4), node('Transpose', 8)]);
  const of = (name: string) => sums.find((one) => one.name === name);
  expect(of('convolutions')).toEqual({ name: 'convolutions', ms: 3, flops: 15 });
  expect(of('layouts')).toEqual({ name: 'layouts', ms: 8, flops: 0 });
  expect(of('element-wise operators')).toEqual({ name: 'element-wise operators', ms: 4, flops: 0 });
  expect(sums.reduce((sum, { ms }) => sum + ms, 0)).toBe(15);
});
