import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filterNormalizedDirection, hessianSpectrum, interpolate, planeSlice } from '@dm/eval';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dm } from '../../testing/command.js';
import { tinyConfig, tinyDit, tinyFolder } from '../../testing/tiny.js';
import { train } from '../../train.js';
import { openRunObjective } from './run-objective.js';
import { UserError } from '../../errors.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
  const config = { ...tinyConfig(folder, 2), model: { type: 'dit' as const, ...tinyDit }, conditional: true };
  await train({ ...config, out: join(folder, 'a') });
  await train({ ...config, seed: 1, out: join(folder, 'b') });
  const wide = { type: 'dit' as const, ...tinyDit, hidden_size: 32 };
  await train({ ...config, model: wide, totalSteps: 1, out: join(folder, 'wide') });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('makes a line whose ends are the two losses, a plane around the first, and a Hessian', async () => {
  const specs = [join(folder, 'a'), join(folder, 'b')];
  const run = await openRunObjective(specs, { buckets: 2, images: 4 });
  const objective = run.objective(1);
  const [a, b] = run.params;
  const line = await interpolate(objective, a!, b!, { from: 0, to: 1, points: 3 });
  expect([line.loss[0], line.loss[2]]).toEqual([await objective.loss(a!), await objective.loss(b!)]);
  // The second end, opened alone, has the same loss on the same data.
  const alone = await openRunObjective([specs[1]!], { buckets: 2, images: 4 });
  expect(await alone.objective(1).loss(alone.params[0]!)).toBe(line.loss[2]);

  const { layout } = run.denoiser;
  const directions = [
    filterNormalizedDirection(a!, layout, 0, 0),
    filterNormalizedDirection(a!, layout, 0, 1),
  ] as const;
  const plane = await planeSlice(objective, a!, directions, { points: 3 });
  expect(plane.loss[4]).toBe(line.loss[0]);

  const spectrum = await hessianSpectrum(objective, a!, { steps: 8, top: 2 });
  expect(spectrum.largest[0]!.value).toBeGreaterThan(0);
  expect(spectrum.error.stepError).toBeLessThan(0.1);
  expect(spectrum.error.asymmetry).toBeLessThan(0.1);
  await alone.dispose();
  await run.dispose();
});

it('refuses another architecture, naming the first difference', async () => {
  await expect(openRunObjective([join(folder, 'a'), join(folder, 'wide')])).rejects.toThrowWith({
    type: UserError,
    code: 'SETS_MISMATCH',
    contains: [join(folder, 'wide'), join(folder, 'a'), 'first difference: ', ', 32]'],
  });
});

it('is what dm eval landscape writes, as numbers and as pictures', async () => {
  const args = ['--images', '4', '--points', '4', '--plane', '3', '--lanczos', '3', '--buckets', '2', '--top', '1'];
  const { code, stdout, stderr } = await dm(['eval', 'landscape', 'a', 'b', ...args, '--out', 'land'], folder);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^line between .*\n0\.000 /ms);
  expect(stdout).toMatch(/\[0, 10\)\s+\S+.*\n\[10, 20\)/);
  for (const name of ['line', 'plane', 'spectrum']) {
    expect(readFileSync(join(folder, 'land', `${name}.svg`), 'utf8')).toMatch(/^<svg .*<\/svg>$/s);
  }
  const json = JSON.parse(readFileSync(join(folder, 'land', 'landscape.json'), 'utf8')) as {
    loss: number[];
    line: { at: number[]; loss: number[] };
    plane: { loss: number[] };
  };
  expect(json.line.loss[json.line.at.indexOf(1)]).toBe(json.loss[1]);
  expect(json.plane.loss[4]).toBe(json.loss[0]);

  const missing = await dm(['eval', 'difficulty', 'a'], folder);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: a .*--checkpoints/) as string });
  const measured = await dm(['eval', 'difficulty', 'a', '--checkpoints', '--images', '4'], folder);
  expect(measured.stderr).toContain('keeps 1 valid checkpoint');
  expect(existsSync(join(folder, 'a', 'difficulty.jsonl'))).toBe(false);
});
