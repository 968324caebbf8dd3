// The built program trains two networks for two steps and compares their images.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Results } from './run.js';

it('two networks of two steps', () => {
  const main = join(import.meta.dirname, '..', 'dist', 'main.js');
  const output = execFileSync(process.execPath, [main, '--scale', 'smoke'], {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '0' },
  });
  const { groups, gaussian, missing, swapped } = JSON.parse(output.trim().split('\n').at(-1)!) as Results;
  expect(groups).toMatchObject([{ networks: ['adamw', 'flow'], pairs: 1 }]);
  // Nearly untrained networks draw the noise, which both must have been given.
  expect(groups[0]!.same.mean).toBeGreaterThan(0.5);
  expect(gaussian.map(({ name }) => name)).toEqual(['adamw', 'flow']);
  expect(missing).toEqual([]);
  // The only network of its recipe is its own next one: its first steps are swapped with themselves.
  const [swap] = swapped.swaps;
  for (const { least, most } of [swap!.own, swap!.other]) {
    expect(least).toBeCloseTo(1, 6);
    expect(most).toBeCloseTo(1, 6);
  }
  expect(swap!.linear.mean).toBeLessThan(0.999);
});
