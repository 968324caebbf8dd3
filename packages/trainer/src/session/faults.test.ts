// What can go wrong with a run's checkpoints, met by a training that goes on: the cause is named, and what is done.
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tensor } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import { readCheckpoint, writeCheckpoint } from '../checkpoint/checkpoint.js';
import { sha256 } from '../files/hash.js';
import type { PartialConfig } from '../config/schema.js';
import { createDenoiser } from '../setup/denoiser.js';
import { resolveConfig } from '../config/resolve.js';
import { savedConfig } from '../config/saved-config.js';
import { readMetrics } from '../run/metrics.js';
import { runFolder } from '../run/run-folder.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { readWeights } from '../checkpoint/pack-state.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { UserError } from '../errors.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function config(part: PartialConfig = {}): PartialConfig {
  return {
    ...tinyConfig(folder, 4),
    model: { type: 'dit', ...tinyDit },
    checkpoints: { every: 1, keepLast: 9 },
    ...part,
  };
}

/** Trains to step 4 with a checkpoint of each step, then resumes as from the 3rd on; what was noted, and where it began. */
async function resumeAfter(damage: (checkpoint: string) => void) {
  const out = join(folder, 'run');
  await train(config({ out }));
  const { checkpoints } = runFolder(out);
  rmSync(join(checkpoints, 'step-000004'), { recursive: true });
  damage(join(checkpoints, 'step-000003'));
  const notes: string[] = [];
  let began = -1;
  const result = await train(
    { out },
    { resume: true, hooks: { onNote: (text) => notes.push(text), onStart: ({ step }) => (began = step) } },
  );
  return { notes, began, result };
}

describe('a checkpoint that is damaged is skipped with its reason, and the one before it goes on', () => {
  it.each([
    [
      'a flipped byte',
      (path: string) => {
        const bytes = readFileSync(join(path, 'optimizer.safetensors'));
        bytes[bytes.length - 1]! ^= 1;
        writeFileSync(join(path, 'optimizer.safetensors'), bytes);
      },
      /optimizer\.safetensors is damaged: .*SHA-256/,
    ],
    [
      'a cut file',
      (path: string) => truncateSync(join(path, 'model.safetensors'), 100),
      /model\.safetensors has 100 bytes.* \d+/,
    ],
    ['no manifest', (path: string) => rmSync(join(path, 'manifest.json')), /no manifest\.json/],
    ['a missing file', (path: string) => rmSync(join(path, 'ema.safetensors')), /ema\.safetensors is missing/],
  ])('%s', async (_, damage, reason) => {
    const { notes, began, result } = await resumeAfter(damage);
    expect(notes).toEqual([expect.stringMatching(reason)]);
    expect(notes[0]).toMatch(/^skipped .*step-000003: /);
    expect(began).toBe(2);
    expect(result).toMatchObject({ status: 'finished', step: 4 });
    // Trained past, it is whole again.
    expect(readCheckpoint(join(folder, 'run/checkpoints/step-000003')).manifest.step).toBe(3);
  });

  it('all of them: that is an error, and the run stays as it is', async () => {
    const { checkpoints, metrics } = runFolder(join(folder, 'run'));
    const names = ['step-000001', 'step-000002', 'step-000003'];
    const resumed = resumeAfter((path) => {
      for (const name of names) rmSync(join(path, '..', name, 'manifest.json'));
    });
    await expect(resumed).rejects.toThrowWith({
      type: UserError,
      code: 'CHECKPOINT_INVALID',
      contains: [...names.map((name) => join(checkpoints, name)), 'manifest.json', '--overwrite'],
    });
    expect(readdirSync(checkpoints).filter((name) => name.startsWith('step'))).toEqual(names);
    expect(readMetrics(metrics).at(-1)?.step).toBe(4);
  });
});

describe('a disk without room', () => {
  const fields = (step: number) => ({
    step,
    configSha256: sha256('c'),
    dataSha256: sha256('d'),
    engine: { name: 'tfjs-cpu', info: {} },
    log: {},
  });
  const files = { 'model.safetensors': [new Uint8Array(3 * 2 ** 20)] };

  it('is told before anything is written, with both numbers and the remedy; what was saved stays', () => {
    writeCheckpoint(folder, fields(1), files);
    const before = readdirSync(folder).toSorted();
    expect(() => writeCheckpoint(folder, fields(2), files, () => 2.5 * 2 ** 20)).toThrowWith({
      type: UserError,
      code: 'DISK_FULL',
      contains: [join(folder, 'step-000002'), '3.1 MiB', '2.5 MiB', '--keep-last 1', '--resume'],
    });
    expect(readdirSync(folder).toSorted()).toEqual(before);
    expect(latestCheckpoint(folder).checkpoint!.manifest.step).toBe(1);
  });
});

it('a state that could not be copied at first is saved after the error', async () => {
  const notes: string[] = [];
  const hooks = {
    onNote: (text: string) => notes.push(text),
    onStep: (step: number) => {
      if (step !== 2) return;
      const noMemory = new RangeError('Array buffer allocation failed');
      vi.spyOn(Tensor.prototype, 'data').mockRejectedValueOnce(noMemory);
    },
  };
  await expect(train(config(), { hooks })).rejects.toThrow('allocation failed');
  vi.restoreAllMocks();
  expect(notes).toContainEqual(expect.stringMatching(/step 2 was saved/));
  expect(latestCheckpoint(runFolder(config().out!).checkpoints).checkpoint!.manifest.step).toBe(2);
});

it('minutes make a checkpoint due as steps do', async () => {
  const steps: number[] = [];
  const hooks = { onCheckpoint: ({ step }: { step: number }) => steps.push(step) };
  await train(config({ checkpoints: { every: 3, minutes: 1e-9 } }), { hooks });
  expect(steps).toEqual([1, 2, 3, 4]);
  steps.length = 0;
  await train(config({ checkpoints: { every: 3, minutes: 1e3 } }), { hooks, overwrite: true });
  expect(steps).toEqual([3, 4]);
});

it('sampling reads the weights that it needs and nothing else; going on needs the whole checkpoint', async () => {
  const { out, checkpoint } = await train(config());
  truncateSync(join(checkpoint, 'optimizer.safetensors'), 100);
  rmSync(join(checkpoint, 'model.safetensors'));
  const notes: string[] = [];
  const sampled = await generateSamples({ run: out, count: 1, steps: 1, onNote: (text) => notes.push(text) });
  expect(sampled.checkpoint).toBe(checkpoint);
  expect(notes).toEqual([]);
  await expect(generateSamples({ checkpoint, count: 1, steps: 1, weights: 'raw' })).rejects.toThrow(
    /model\.safetensors is missing/,
  );
  expect(latestCheckpoint(runFolder(out).checkpoints).checkpoint!.manifest.step).toBe(3);
});

it('weights are read without data, optimizer or the rest of a training setup', async () => {
  const { out, checkpoint } = await train(config());
  rmSync(join(folder, 'data.npz'));
  const denoiser = createDenoiser(resolveConfig([savedConfig(runFolder(out))]));
  for (const which of ['model', 'ema'] as const) {
    const { params, buffers } = readWeights(denoiser, readCheckpoint(checkpoint), which);
    expect(params!.shape).toEqual([denoiser.layout.size]);
    expect(buffers!.shape).toEqual([denoiser.bufferLayout.size]);
    expect(params!.data.every(Number.isFinite)).toBe(true);
  }
});
