import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readNpz, writeNpz } from '@dm/data';
import { parseSafetensors } from '@dm/models';
import { DmError } from '@dm/ops';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint } from './checkpoint/checkpoint-folder.js';
import { readCheckpoint } from './checkpoint/checkpoint.js';
import type { PartialConfig } from './config/schema.js';
import { readMetrics, withoutMeasurements } from './run/metrics.js';
import { runFolder } from './run/run-folder.js';
import { generateSamples } from './sampling/generate-samples.js';
import { tinyConfig, tinyDit, tinyFolder } from './testing/tiny.js';
import { train, type TrainOptions } from './train.js';
import { UserError } from './errors.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Trains until step `at`, then is stopped as by SIGINT. */
async function trainUntil(config: PartialConfig, at: number, options: TrainOptions = {}) {
  const stop = new AbortController();
  const onStep = (step: number) => {
    if (step === at) stop.abort();
  };
  return train(config, { ...options, signal: stop.signal, hooks: { onStep } });
}

/** Bytes of each file of a run's last checkpoint, manifest included. */
function finalFiles(out: string): Record<string, string> {
  const path = latestCheckpoint(runFolder(out).checkpoints).checkpoint!.path;
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString('base64')]));
}

/** What asking for class 2 of a model with two classes throws. */
const noClass2 = { type: UserError, code: 'CLASS_UNKNOWN', contains: ['--label 2', '0 to 1'] };

/** The log without what clocks measured. */
function log(out: string) {
  return readMetrics(runFolder(out).metrics).map(withoutMeasurements);
}

describe('a run', () => {
  it('leaves what DESIGN.md promises, and samples from it are the grid that it made', async () => {
    const seen: string[] = [];
    const config = { ...tinyConfig(folder, 5), sampleEvery: 2 };
    const result = await train(config, {
      hooks: {
        onStart: (s) => seen.push(`start ${s.model} ${s.images}`),
        onStep: (step) => seen.push(`step ${step}`),
        onLog: (record) => seen.push(`log ${record.step}`),
        onSample: ({ step }) => seen.push(`sample ${step}`),
        onCheckpoint: ({ step }) => seen.push(`checkpoint ${step}`),
      },
    });
    expect(seen.join(', ')).toBe(
      'start UNet2DModel 23, step 1, step 2, sample 2, checkpoint 2, step 3, log 3, step 4, sample 4, checkpoint 4, ' +
        'step 5, log 5, sample 5, checkpoint 5',
    );
    expect(result).toMatchObject({ status: 'finished', step: 5, totalSteps: 5, out: config.out });
    expect(readdirSync(config.out!).toSorted()).toEqual([
      'checkpoints',
      'config.json',
      expect.stringMatching(/^events\.out\.tfevents\.\d{10}\./),
      'metrics.jsonl',
      'report.html',
      'samples',
    ]);
    expect(readdirSync(result.checkpoint).toSorted()).toEqual([
      'ema.safetensors',
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
    ]);
    expect(readdirSync(join(config.out!, 'checkpoints')).length).toBe(3);
    const saved = JSON.parse(readFileSync(join(config.out!, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(saved).toMatchObject({
      model: { sample_size: 8, in_channels: 1 },
      recorded: { engine: { name: 'tfjs-cpu' }, data: { images: 23, shape: [8, 8, 1] } },
    });

    const first = await generateSamples({ run: config.out!, count: 3 });
    expect(first.shape).toEqual([3, 8, 8, 1]);
    const again = await generateSamples({ checkpoint: result.checkpoint, count: 2 });
    expect(again.images).toEqual(first.images.subarray(0, 2 * 64));
    const raw = await generateSamples({ run: config.out!, count: 2, weights: 'raw' });
    expect(raw.images).not.toEqual(again.images);
  });

  it('lowers the loss on data that it can learn', async () => {
    const config = { ...tinyConfig(folder, 30), logEvery: 10, checkpoints: { every: 0 }, optimizer: { lr: 1e-2 } };
    await train(config);
    const losses = readMetrics(runFolder(config.out!).metrics).map((r) => r.loss);
    expect(losses).toHaveLength(3);
    expect(losses[2]!).toBeLessThan(0.8 * losses[0]!);
  });

  it('predicts F of EDM: learns, and samples what its sampler makes of it', async () => {
    const diffusion = { prediction: { type: 'edm', sigmaData: 0.6 } } as const;
    const model = { type: 'dit', ...tinyDit } as const;
    const config = { ...tinyConfig(folder, 30), model, diffusion: { timesteps: 20, ...diffusion } };
    const { out } = await train({ ...config, logEvery: 10, checkpoints: { every: 0 }, optimizer: { lr: 1e-2 } });
    const losses = readMetrics(runFolder(out).metrics).map((r) => r.loss);
    expect(losses[2]!).toBeLessThan(0.8 * losses[0]!);
    const { images } = await generateSamples({ run: out, count: 2 });
    expect(images.every((v) => Math.abs(v) <= 1)).toBe(true);
    // The same weights read as v make other images.
    const file = join(out, 'config.json');
    const { diffusion: written, ...rest } = JSON.parse(readFileSync(file, 'utf8')) as { diffusion: object };
    expect(written).toMatchObject(diffusion);
    writeFileSync(file, JSON.stringify({ ...rest, diffusion: { ...written, prediction: 'v' } }));
    expect((await generateSamples({ run: out, count: 2 })).images).not.toEqual(images);
  });

  it('says how much memory it took, in its log and at its end', async () => {
    const result = await train(tinyConfig(folder, 3));
    const [line] = readMetrics(runFolder(result.out).metrics);
    expect(line!.peakMb).toBeGreaterThan(20);
    expect(result.peakMb).toBeGreaterThanOrEqual(line!.peakMb);
  });

  it('learns the same, up to the order of sums, where blocks are computed again in the gradient; may go on so', async () => {
    const config = { ...tinyConfig(folder, 6), logEvery: 1 };
    await train({ ...config, out: join(folder, 'plain') });
    await trainUntil({ ...config, out: join(folder, 'again') }, 3);
    await train({ out: join(folder, 'again'), activationCheckpointing: true }, { resume: true });
    const losses = (out: string) => log(join(folder, out)).map(({ loss }) => loss);
    expect(losses('again')).toHaveLength(6);
    losses('plain').forEach((loss, i) => expect(losses('again')[i]! / loss).toBeCloseTo(1, 4));
  });

  it('is sampled by class where the model has classes', async () => {
    const config: PartialConfig = { ...tinyConfig(folder, 3), model: { type: 'dit', ...tinyDit } };
    await train({ ...config, optimizer: { lr: 0.05 } });
    const run = config.out!;
    const both = await generateSamples({ run, count: 2 });
    const second = await generateSamples({ run, count: 2, label: 1 });
    // In turn: image 0 of class 0, image 1 of class 1.
    expect(both.images.subarray(64)).toEqual(second.images.subarray(64));
    expect(both.images.subarray(0, 64)).not.toEqual(second.images.subarray(0, 64));
    await expect(generateSamples({ run, label: 2 })).rejects.toThrowWith(noClass2);
  });

  it('starts from the weights of a safetensors file', async () => {
    const config = { ...tinyConfig(folder, 2), model: { type: 'dit' as const, ...tinyDit } };
    const first = await train({ ...config, out: join(folder, 'first') });
    const file = join(first.checkpoint, 'model.safetensors');
    // At a learning rate that moves only zeros in float32, and these by next to nothing, the weights stay those of the file.
    const still = { lr: 1e-30, momentumDecay: null };
    const { checkpoint } = await train({ ...config, seed: 5, optimizer: still, initFrom: file });
    const numbersOf = (path: string) =>
      Object.values(parseSafetensors(new Uint8Array(readFileSync(path))).tensors).flatMap(({ data }) => [...data]);
    const start = numbersOf(file);
    expect(numbersOf(join(checkpoint, 'model.safetensors'))).toBeAllClose(start, { atol: 1e-20 });
    const missing = train({ ...config, out: join(folder, 'none'), initFrom: join(folder, 'none.safetensors') });
    await expect(missing).rejects.toThrowWith({
      type: UserError,
      code: 'CHECKPOINT_INVALID',
      contains: ['initial weights', join(folder, 'none.safetensors')],
    });
  });

  it('keeps several averages, each of which can be sampled', async () => {
    const model = { type: 'dit', ...tinyDit } as const;
    const extraEmas = { slow: { type: 'fixed', decay: 0.9 }, karras: { type: 'karras', relativeStd: 0.1 } } as const;
    const config: PartialConfig = { ...tinyConfig(folder, 4), model, extraEmas, optimizer: { lr: 0.05 } };
    const { checkpoint } = await train(config);
    const ofEach = [];
    for (const weights of ['ema', 'slow', 'karras', 'raw'])
      ofEach.push(await generateSamples({ run: config.out!, count: 2, weights }));
    expect(new Set(ofEach.map(({ images }) => images.join())).size).toBe(4);
    expect(readdirSync(checkpoint).filter((name) => name.startsWith('ema'))).toEqual([
      'ema-karras.safetensors',
      'ema-slow.safetensors',
      'ema.safetensors',
    ]);
    await expect(generateSamples({ run: config.out!, weights: 'slwo' })).rejects.toThrowWith({
      type: UserError,
      code: 'OPTION_UNKNOWN',
      contains: ['weights slwo', 'ema, slow, karras, raw'],
    });
  });

  it('drops labels, and is guided then: 1 is the model itself, 0 the images without a class', async () => {
    const config = { ...tinyConfig(folder, 4), labelDropout: 0.5, optimizer: { lr: 0.05 } };
    await train(config);
    const of = async (options: Partial<Parameters<typeof generateSamples>[0]>) =>
      (await generateSamples({ run: config.out!, count: 1, engine: 'onnx', ...options })).images;
    const [plain, guided] = [await of({ label: 0 }), await of({ label: 0, guidance: 3 })];
    expect(guided).not.toEqual(plain);
    expect(await of({ label: 0, guidance: 1 })).toEqual(plain);
    expect(await of({ label: 0, guidance: 0 })).toEqual(await of({ label: 1, guidance: 0 }));
    expect(await of({ label: 0, guidance: 3, guidanceInterval: [1e6, 1e7] })).toEqual(plain);
    await expect(of({ label: 2 })).rejects.toThrowWith(noClass2);

    await train({ ...config, labelDropout: null, out: join(folder, 'plain') });
    await expect(generateSamples({ run: join(folder, 'plain'), guidance: 3 })).rejects.toThrow(/labelDropout=0\.1/);
  });

  it('stops when its time is up and goes on from there', async () => {
    const config = { ...tinyConfig(folder, 4), checkpoints: { every: 0 } };
    const result = await train({ ...config, budgets: { seconds: 1e-6 } });
    expect(result).toMatchObject({ status: 'timeBudget', step: 1 });
    expect(await train({ out: config.out, budgets: { seconds: null } }, { resume: true })).toMatchObject({
      status: 'finished',
      step: 4,
    });
  });

  it('skips updates that are no numbers, counts them, and ends after so many with the last good checkpoint named', async () => {
    const notes: string[] = [];
    const config = {
      ...tinyConfig(folder, 50),
      checkpoints: { every: 1 },
      optimizer: { lr: 1e30, maxGradNorm: null },
      maxSkippedSteps: 4,
    };
    const run = train(config, { hooks: { onNote: (text) => notes.push(text) } });
    await expect(run).rejects.toThrowWith({
      type: UserError,
      code: 'LOSS_NOT_FINITE',
      contains: ['at step 5', join(config.out!, 'checkpoints/step-000001'), 'optimizer.lr'],
    });
    expect(notes).toHaveLength(3);
    expect(notes[0]).toMatch(/(NaN|Infinity) at step 2:.*skipped \(1\b.*\b4\b/);
    expect(readdirSync(join(config.out!, 'checkpoints'))).toEqual(['step-000001']);
    expect(existsSync(join(config.out!, 'run.lock'))).toBe(false);
    // The count goes on where the run does.
    const stopped = await trainUntil({ ...config, maxSkippedSteps: 100, out: join(folder, 'long') }, 4);
    expect(readCheckpoint(stopped.checkpoint).manifest.log['skipped']).toEqual([3, 3]);
    const resumed = train({ out: join(folder, 'long'), maxSkippedSteps: 5 }, { resume: true });
    await expect(resumed).rejects.toThrowWith({
      type: UserError,
      code: 'LOSS_NOT_FINITE',
      contains: ['at step 6', 'No good checkpoint'],
    });
  });

  it.each([
    [{ budgets: { steps: 2 } }, 'stepBudget', 2],
    [{ budgets: { images: 9 } }, 'imageBudget', 3],
  ])('stops when its %j is used up', async (budget, status, step) => {
    const config = { ...tinyConfig(folder, 8), checkpoints: { every: 0 }, ...budget };
    expect(await train(config)).toMatchObject({ status, step });
    // Each session has its own.
    expect(await train({ out: config.out }, { resume: true })).toMatchObject({ status, step: 2 * step });
  });
});

describe('a resumed run is the unbroken run', () => {
  it('every byte of the checkpoint, every line of the log: v-prediction, Min-SNR, compiled, stopped and resumed', async () => {
    const config: PartialConfig = {
      ...tinyConfig(folder, 8),
      engine: 'onnx',
      diffusion: { timesteps: 20, prediction: { type: 'v' } },
      lossWeighting: { type: 'minSnr' },
      flip: true,
    };
    const unbroken = join(folder, 'unbroken');
    await train({ ...config, out: unbroken });
    const stopped = await trainUntil(config, 5);
    expect(stopped).toMatchObject({ status: 'stopped', step: 5 });
    const resumed = await train({ out: config.out }, { resume: true });
    expect(resumed).toMatchObject({ status: 'finished', step: 8 });
    expect(finalFiles(config.out!)).toEqual(finalFiles(unbroken));
    expect(log(config.out!)).toEqual(log(unbroken));
    expect(log(unbroken).map((r) => r.step)).toEqual([3, 6, 8]);
  });

  it('also when the process died later than its last checkpoint, in the middle of a line', async () => {
    const config = tinyConfig(folder, 8);
    const unbroken = join(folder, 'unbroken');
    await train({ ...config, out: unbroken });
    await trainUntil({ ...config, logEvery: 1 }, 7);
    rmSync(join(config.out!, 'checkpoints', 'step-000007'), { recursive: true });
    writeFileSync(join(config.out!, 'metrics.jsonl'), '{"step": 8, "lo', { flag: 'a' });
    await train({ out: config.out, logEvery: 3 }, { resume: true });
    expect(finalFiles(config.out!)).toEqual(finalFiles(unbroken));
    expect(readMetrics(runFolder(config.out!).metrics).map((r) => r.step)).toEqual([1, 2, 3, 4, 5, 6, 8]);
  });

  it('says which checkpoint it skipped and why, and goes on from the one before', async () => {
    const config = tinyConfig(folder, 6);
    await trainUntil(config, 4);
    writeFileSync(join(config.out!, 'checkpoints', 'step-000004', 'ema.safetensors'), 'damaged');
    const notes: string[] = [];
    const started: number[] = [];
    await train(
      { out: config.out },
      {
        resume: true,
        hooks: { onNote: (text) => notes.push(text), onStart: ({ step }) => started.push(step) },
      },
    );
    expect(notes).toEqual([expect.stringMatching(/skipped .*step-000004: .*manifest/)]);
    expect(started).toEqual([2]);
    expect(readCheckpoint(join(config.out!, 'checkpoints', 'step-000004')).manifest.step).toBe(4);
  });
});

describe('refused, with the reason', () => {
  it('a resume that would train differently', async () => {
    const config = tinyConfig(folder, 4);
    await trainUntil(config, 2);
    const resume = (part: PartialConfig) => train({ out: config.out, ...part }, { resume: true });
    await expect(resume({ totalSteps: 9, optimizer: { lr: 1 } })).rejects.toThrowWith({
      type: UserError,
      code: 'RESUME_MISMATCH',
      contains: ['configuration', 'lr: 0.004 -> 1; totalSteps: 4 -> 9'],
    });
    const arrays = await readNpz(join(folder, 'data.npz'));
    (arrays['images']!.data as Uint8Array)[0]! ^= 0xff;
    await writeNpz(join(folder, 'other.npz'), arrays);
    await expect(resume({ data: join(folder, 'other.npz') })).rejects.toThrowWith({
      type: UserError,
      code: 'RESUME_MISMATCH',
      contains: ['other data', 'other.npz'],
    });
    // The same images under another name are the same data.
    cpSync(join(folder, 'data.npz'), join(folder, 'same.npz'));
    expect(await resume({ data: join(folder, 'same.npz') })).toMatchObject({ status: 'finished' });
  });

  it('a second run in a folder, a resume of nothing', async () => {
    const config = tinyConfig(folder, 2);
    await expect(train(config, { resume: true })).rejects.toThrowWith({
      type: UserError,
      code: 'RUN_NOT_FOUND',
      contains: config.out!,
    });
    await train(config);
    await expect(train(config)).rejects.toThrowWith({ type: UserError, code: 'RUN_EXISTS', contains: config.out! });
    expect((await train(config, { overwrite: true })).status).toBe('finished');
  });

  it.each([
    [{ model: { sample_size: 16 } }, 'DATA_MISMATCH', ['16x16x1', '8x8x1']],
    [{ model: { out_channels: 2 } }, 'DATA_MISMATCH', ['2 output channels', '1']],
    [{ model: { type: 'dit', ...tinyDit, num_classes: 3 } }, 'DATA_MISMATCH', ['3 classes', 'has 2']],
    [{ batchSize: 0 }, 'CONFIG_INVALID', ['batchSize', 'at least 1', 'got 0']],
    [{ data: 'nowhere.npz' }, 'DATA_NOT_FOUND', ['nowhere.npz']],
    [{ curriculum: { type: 'clts', sigma: -1 } }, 'CONFIG_INVALID', ['curriculum.sigma', '-1']],
    [{ curriculum: { type: 'speed', tau: 21 } }, 'CONFIG_INVALID', ['curriculum.tau', 'T = 20', 'got 21']],
    [{ model: { norm_num_groups: 3 } }, 'CONFIG_INVALID', ['model.norm_num_groups', 'block_out_channels', 'got 3']],
    [{ sampler: { steps: 21 } }, 'CONFIG_INVALID', ['sampler steps', '21']],
    [{ sampler: { type: 'unipc', steps: 2, path: { stepEnd: 'stride' } } }, 'CONFIG_INVALID', ['"stride"']],
    [
      { diffusion: { prediction: { type: 'epsilon' }, schedule: { type: 'linear', zeroTerminalSnr: true } } },
      'CONFIG_INVALID',
      ['epsilon', 'zeroTerminalSnr'],
    ],
    [{ engine: 'tfjs-node-gpu' }, Error, ['tfjs-node-gpu', 'not installed', 'npm install']],
  ] as [PartialConfig, string | typeof Error, string[]][])('%j', async (part, code, contains) => {
    const config = tinyConfig(folder, 2);
    const expected = typeof code === 'string' ? { type: DmError, code } : { type: code };
    await expect(train({ ...config, ...part })).rejects.toThrowWith({ ...expected, contains });
    expect(existsSync(config.out!)).toBe(false);
  });
});
