import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AnyResult, AnyTrial } from '../recipe/trial.js';
import { runTrials } from './workers.js';

const trial = (seed: number): AnyTrial => ({
  stage: 'final',
  arm: { name: 'arm', about: '', recipe: {} },
  size: { data: 'mnist-12', trainImages: 1 },
  seed,
});

// Seed 0 fails at once, seed 1 ends its process; the others take a while.
const worker = `
process.on('message', ({ seed }) => {
  if (seed === 0) process.send({ error: 'a failure' });
  else if (seed === 1) process.exit(5);
  else setTimeout(() => process.send({ result: { seed } }), 300);
});
process.on('disconnect', () => process.exit(0));
`;

const [, program] = process.argv;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-workers-'));
  process.argv[1] = join(folder, 'worker.cjs');
  writeFileSync(process.argv[1], worker);
});
afterEach(() => {
  process.argv[1] = program!;
  rmSync(folder, { recursive: true });
});

const run = (seeds: readonly number[], onDone: (seed: number) => void) =>
  runTrials<AnyTrial, AnyResult>(seeds.map(trial), {
    workers: 2,
    engine: { name: 'onnx', threads: 1 },
    until: Infinity,
    onDone: (_, { seed }) => onDone(seed),
  });

it.each([
  ['a trial fails', 0, 'a failure'],
  ['a process ends', 1, 'code 5'],
])('finishes the trial in progress of another worker if %s, and starts no others', async (_, failing, reason) => {
  const done: number[] = [];
  const running = run([failing, 2, 3, 4], (seed) => done.push(seed));
  await expect(running).rejects.toThrowWith({ type: Error, contains: [`seed ${failing}`, reason] });
  expect(done).toEqual([2]);
});

it('runs all trials, and throws the error of a result that cannot be saved after the others', async () => {
  const done: number[] = [];
  expect(await run([2, 3, 4], (seed) => done.push(seed))).toBe(0);
  expect(done.toSorted((a, b) => a - b)).toEqual([2, 3, 4]);
  const running = run([5, 6], (seed) => {
    if (seed === 5) throw new RangeError('no space');
    done.push(seed);
  });
  await expect(running).rejects.toThrowWith({ type: RangeError, contains: 'no space' });
  expect(done.at(-1)).toBe(6);
});
