import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { axes, dataAxis, logSlope, stepAxis } from './scaling-axes.mjs';
import { busiest, withAxes } from './scaling-results.mjs';
import { measurements, type Scaling, scalingTable, slopesOf, withScalingTable } from './scaling-table.mjs';

const results = JSON.parse(readFileSync(new URL('results/scaling.json', import.meta.url), 'utf8')) as Scaling;

it('docs/engine.md has the table of results/scaling.json', () => {
  const page = readFileSync(new URL('../../docs/engine.md', import.meta.url), 'utf8');
  expect(withScalingTable(page, results)).toBe(page);
});

it('results/scaling.json has every axis and size', () => {
  for (const { name, sizes } of axes) {
    expect(results.axes.find((one) => one.name === name)?.points.map(({ size }) => size)).toEqual(sizes);
  }
  for (const { name, sizes } of [stepAxis, dataAxis]) {
    const found = results.axes.filter((one) => one.name.startsWith(name));
    expect(found.length).toBeGreaterThan(0);
    for (const { points } of found) expect(points.map(({ size }) => size)).toEqual(sizes);
  }
});

it('keeps how each axis was measured', () => {
  const way = { cpu: 'Xeon', cores: 2, threads: 2, rounds: 1, steps: 5 };
  const axis = (name: string, load: number) => {
    const points = [{ size: 1, ms: load, minMs: load }];
    return { name, expected: 1, run: { ...way, load, othersBusy: busiest([{ othersBusy: load / 2 }, {}]) }, points };
  };
  const all = ['a', 'b', 'c'];
  const first = withAxes({ axes: [] }, [axis('a', 1), axis('c: x', 1), axis('c: y', 1), axis('b', 1)], all);
  const { axes: merged } = withAxes(first, [axis('b', 2)], all);
  expect(merged.map(({ name, run }) => [name, run])).toEqual([
    ['a', { ...way, load: 1, othersBusy: 0.5 }],
    ['b', { ...way, load: 2, othersBusy: 1 }],
    ['c: x', { ...way, load: 1, othersBusy: 0.5 }],
    ['c: y', { ...way, load: 1, othersBusy: 0.5 }],
  ]);
  const [ofOthers, ofB] = measurements({ axes: merged }).split('\n\n');
  const names = (text = '') => text.split(': Xeon, ')[0];
  expect([names(ofOthers), names(ofB)]).toEqual([['a', 'c: x', 'c: y'].join(', '), 'b']);
  expect([ofOthers, ofB].map((text) => / was at most (.*)\.$/.exec(text)![1])).toEqual(['0.5', '1']);
  // Of a file from before axes had their own.
  const { run: _run, ...older } = axis('a', 1);
  const mixed = withAxes({ run: { ...way, load: 3 }, baseMb: 4, axes: [older] }, [axis('b', 2)], all);
  expect(mixed).toEqual({ run: { ...way, load: 3 }, baseMb: 4, axes: [older, axis('b', 2)] });
  expect(measurements(mixed)).toMatch(/^a: .* was 3; .* not recorded\.\n\nb: .* was 2; .* 1\.$/);
  expect(withAxes(mixed, [axis('a', 1)], all)).toEqual({ axes: [axis('a', 1), axis('b', 2)] });
});

// numpy.polyfit(numpy.log([1, 2, 4, 8]), numpy.log([3, 5, 11, 30]), 1)[0]
it('fits a power', () => {
  expect(logSlope([1, 10, 100], [7, 70, 700])).toBeCloseTo(1, 12);
  expect(logSlope([1, 2, 4, 8], [3, 5, 11, 30])).toBeCloseTo(1.1103287808412021, 10);
  expect(() => logSlope([1], [1])).toThrow(RangeError);
});

it('takes slopes over the upper part, and marks one that is steeper than expected', () => {
  const points = [1, 10, 100, 1000].map((size) => ({ size, ms: size === 1 ? 500 : size ** 1.2, minMs: size }));
  const axis = { name: 'x', expected: 1, points };
  expect(slopesOf(axis).time).toBeCloseTo(1.2, 10);
  expect(slopesOf(axis).fastest).toBeCloseTo(1, 10);
  expect(scalingTable({ axes: [axis] })).toContain('1.20 (steeper)');
  expect(scalingTable({ axes: [{ ...axis, expected: 1.15 }] })).not.toContain('steeper');
});

it('rejects an unknown axis', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scaling.mjs', '--axes', 'hight'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  expect(stderr).toContain('hight');
  expect(stderr).toContain('image side');
  expect(status).toBe(1);
});
