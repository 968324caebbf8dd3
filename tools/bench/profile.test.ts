import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { byClass } from './operator-classes.mjs';
import { withProfileTables, type Profiled } from './profile-table.mjs';
import type { Roofline } from './roofline-table.mjs';

const results = JSON.parse(readFileSync(new URL('results/profile.json', import.meta.url), 'utf8')) as {
  machines: Profiled[];
};
const rooflines = JSON.parse(readFileSync(new URL('results/roofline.json', import.meta.url), 'utf8')) as {
  machines: Roofline[];
};

it('docs/engine.md has the tables of results/profile.json', () => {
  const page = readFileSync(new URL('../../docs/engine.md', import.meta.url), 'utf8');
  expect(withProfileTables(page, results)).toBe(page);
});

it('an idle machine ran five calls of each case, with the operations that the roofline counts', () => {
  for (const { run, cases } of results.machines) {
    const isSame = ({ run: other }: Roofline) =>
      other.cpu === run.cpu && cases.every(({ threads }) => threads === other.threads);
    const roofline = rooflines.machines.find(isSame)!;
    expect(cases.map(({ name }) => name)).toEqual(roofline.cases.map(({ name }) => name));
    for (const { name, calls, classes, othersBusy } of cases) {
      expect(calls).toBe(5);
      expect(othersBusy, name).toBeLessThan(0.1);
      const flops = classes.reduce((sum, one) => sum + one.flops, 0);
      expect(flops / roofline.cases.find((one) => one.name === name)!.flops, name).toBeCloseTo(1, 1);
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
