import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeNpz } from '@dm/data';
import { FileError } from '@dm/files';
import { openEagerEngine } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDenoiser } from '../../setup/denoiser.js';
import { resolveConfig } from '../../config/resolve.js';
import { initialState } from '../../checkpoint/state.js';
import { openTrainingSetup } from '../../setup/open-training-setup.js';
import { tinyConfig, tinyDit, tinyFolder } from '../../testing/tiny.js';
import { train } from '../../train.js';
import { readDifficulty } from './file.js';
import { openNoiseProbe } from './noise-probe.js';
import { probeCheckpoints } from './probe-checkpoints.js';
import { UserError } from '../../errors.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const probed = (steps: number, name: string) => ({
  ...tinyConfig(folder, steps),
  model: { type: 'dit' as const, ...tinyDit },
  conditional: true,
  probe: { every: 2, buckets: 3, images: 4 },
  out: join(folder, name),
});

describe('difficulty of a run', () => {
  it('is measured at the start, every so many steps and at the end, the same after a resume', async () => {
    const whole = await train(probed(5, 'whole'));
    const file = join(whole.out, 'difficulty.jsonl');
    const log = readDifficulty(file)!;
    expect(log.records.map(({ step }) => step)).toEqual([0, 2, 4, 5]);
    expect(log.setting).toMatchObject({ images: 4, coordinate: 'timestep', prediction: 'v' });
    expect(log.setting.buckets.map(({ from, to }) => [from, to])).toEqual([
      [0, 7],
      [7, 13],
      [13, 20],
    ]);
    expect(log.records.every(({ loss, gradNorm }) => [...loss, ...gradNorm].every((value) => value > 0))).toBe(true);

    // As if it was killed after step 5 was measured, with a line half written; checkpoints are those of steps 2, 4, 5.
    const bytes = readFileSync(file, 'utf8');
    rmSync(join(whole.out, 'checkpoints', 'step-000005'), { recursive: true });
    writeFileSync(file, `${bytes}{"step":6,"lo`);
    await train({ out: whole.out }, { resume: true });
    expect(readFileSync(file, 'utf8')).toBe(bytes);

    // What the kept checkpoints say afterwards is what was measured then.
    const after = await probeCheckpoints(whole.out, { buckets: 3, images: 4 });
    expect(after.setting).toEqual(log.setting);
    expect(after.records).toEqual(log.records.slice(1));
    const ema = await probeCheckpoints(whole.out, { buckets: 3, images: 4, weights: 'ema' });
    expect(ema.records[0]!.loss).not.toEqual(after.records[0]!.loss);
  });

  it('is begun anew, and that is said, where a resumed run measures otherwise', async () => {
    const { out } = await train(probed(3, 'other'));
    const notes: string[] = [];
    const probe = { every: 2, buckets: 2, images: 4 };
    rmSync(join(out, 'checkpoints', 'step-000003'), { recursive: true });
    await train({ out, probe }, { resume: true, hooks: { onNote: (text) => notes.push(text) } });
    const { setting, records } = readDifficulty(join(out, 'difficulty.jsonl'))!;
    expect([setting.buckets.length, records.map(({ step }) => step)]).toEqual([2, [3]]);
    expect(notes.join()).toMatch(/difficulty\.jsonl.*other buckets.*at step 2/);
  });

  it('names a line that is damaged', async () => {
    const file = join(folder, 'damaged.jsonl');
    writeFileSync(file, '{"format":2}\n');
    expect(() => readDifficulty(file)).toThrowWith({
      type: FileError,
      code: 'FILE_INVALID',
      contains: 'damaged.jsonl, line 1',
    });
    expect(readDifficulty(join(folder, 'none.jsonl'))).toBeUndefined();
  });

  it('needs two checkpoints', async () => {
    const { out } = await train({ ...probed(1, 'short'), probe: { every: 0, buckets: 3, images: 4 } });
    await expect(probeCheckpoints(out)).rejects.toThrowWith({
      type: UserError,
      code: 'CHECKPOINT_NOT_FOUND',
      contains: [out, '1 valid checkpoint', 'at least 2', '--keep-last'],
    });
  });
});

const option = { type: UserError, code: 'OPTION_INVALID' } as const;

describe('openNoiseProbe', () => {
  const config = (data: string) =>
    resolveConfig([
      {
        source: 'the test',
        value: { ...tinyConfig(folder, 1), data, model: { type: 'dit' as const, ...tinyDit } },
      },
    ]);

  it('has the gradient of its loss', async () => {
    const setup = await openTrainingSetup(config(join(folder, 'data.npz')));
    const engine = await openEagerEngine('tfjs-cpu');
    const probe = await openNoiseProbe(setup, engine, 'params', { buckets: 2, images: 4 });
    const { params, buffers } = initialState(setup);
    const at = (step: number, direction: Float64Array) =>
      probe.load({
        params: { ...params!, data: (params!.data as Float32Array).map((value, i) => value + step * direction[i]!) },
        ...(buffers && { buffers }),
      });
    const state = await at(0, new Float64Array(setup.layout.size));
    const { loss, gradient } = await probe.gradient(state, 1);
    expect(await probe.loss(state, 1)).toBeCloseTo(loss, 6);
    const norm = Math.hypot(...gradient);
    const direction = gradient.map((value) => value / norm);
    const h = 1e-2;
    const difference =
      ((await probe.loss(await at(h, direction), 1)) - (await probe.loss(await at(-h, direction), 1))) / (2 * h);
    expect(Math.abs(difference / norm - 1)).toBeLessThan(1e-2);
    await engine.dispose();
  });

  it('gives the mean over all parts of a batch too large for one', async () => {
    // Twice the same 64 images: two parts with the same images and other noise and timesteps.
    const count = 128;
    const data = new Uint8Array(count * 64).map((_, i) => (i * 37) % 251);
    const file = join(folder, 'large.npz');
    const labels = { shape: [count], data: Int32Array.from({ length: count }, (_, n) => n % 2) };
    await writeNpz(file, { images: { shape: [count, 8, 8, 1], data }, labels });
    const setup = await openTrainingSetup(config(file));
    const denoiser = createDenoiser(setup.config);
    const engine = await openEagerEngine('tfjs-cpu');
    const large = await openNoiseProbe(denoiser, engine, 'params', { buckets: 1, images: 128 });
    const state = await large.load(initialState(setup));
    const { loss, gradient } = await large.gradient(state, 0);
    expect(await large.loss(state, 0)).toBeCloseTo(loss, 6);
    // A DiT begins with an output of zero: the loss of v, of unit variance up to the images' own, is near 1.
    expect(loss).toBeGreaterThan(0.5);
    expect(loss).toBeLessThan(1.5);
    expect(gradient.some((value) => value !== 0)).toBe(true);
    await expect(openNoiseProbe(denoiser, engine, 'params', { images: 100 })).rejects.toThrowWith({
      ...option,
      contains: ['multiple of 64', 'got 100'],
    });
    await expect(openNoiseProbe(denoiser, engine, 'params', { images: 192 })).rejects.toThrowWith({
      ...option,
      contains: ['192 images', 'has 128'],
    });
    await engine.dispose();
  });
});
