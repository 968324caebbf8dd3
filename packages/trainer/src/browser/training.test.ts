import { createMemoryDataset } from '@dm/data';
import { describe, expect, it, vi } from 'vitest';
import { checkpointPath, loadCheckpoint, manifestPath, validSteps } from './checkpoints.js';
import { createMemoryStore, type RunStore } from './run-store.js';
import { createBrowserTraining } from './training.js';
import type { StepOutcome } from '../step/training-loop.js';
import { barsDataset, checkpointFiles, copyOf, sixSteps } from '../testing/browser-run.js';

const dataset = barsDataset();

/** A whole run, with the loss of each step. */
async function unbroken(config = {}) {
  const store = createMemoryStore('unbroken');
  const losses: number[] = [];
  const training = createBrowserTraining(
    { ...sixSteps, ...config },
    { store, dataset, onStep: ({ result }) => losses.push(result.loss) },
  );
  const result = await training.run();
  await training.abort();
  return { store, losses, result };
}

/** The scale is doubled after each step whose gradient does not overflow. */
const halves = {
  precision: 'f16-emulated',
  gradScaler: { initialScale: 2 ** 18, growthInterval: 1, backoffFactor: 0.25 },
} as const;

describe('createBrowserTraining', () => {
  it.each([
    ['float32', {}],
    ['emulated float16, with an overflow at step 2', halves],
  ])('continues after a reload bit-identically, from the last checkpoint, in %s', async (_, precision) => {
    const config = { ...sixSteps, ...precision };
    const whole = await unbroken(precision);
    expect(whole.result).toEqual({ status: 'finished', step: 6, totalSteps: 6 });

    // The page is closed after step 5.
    const store = createMemoryStore('reloaded');
    const first = createBrowserTraining(config, { store, dataset });
    for (let n = 0; n < 5; n++) await first.step();
    const reloaded = await copyOf(store);
    await first.abort();
    expect((await validSteps(reloaded)).map(({ step }) => step)).toEqual([3]);

    // Without the dataset, which is in the store.
    const losses: number[] = [];
    const second = createBrowserTraining(config, {
      store: reloaded,
      onStep: ({ step, result }) => void (losses[step - 1] = result.loss),
    });
    expect(await second.open()).toMatchObject({ name: 'reloaded', step: 3, totalSteps: 6, device: 'cpu' });
    expect(await second.run()).toMatchObject({ status: 'finished' });
    expect(losses.slice(3)).toEqual(whole.losses.slice(3));
    expect(await checkpointFiles(reloaded)).toEqual(await checkpointFiles(whole.store));
    await second.abort();
  });

  it('logs after a reload what an unbroken run logs', async () => {
    const { store: whole } = await unbroken();
    const store = createMemoryStore('log');
    const first = createBrowserTraining(sixSteps, { store, dataset });
    for (let n = 0; n < 3; n++) await first.step();
    await first.abort();
    await createBrowserTraining(sixSteps, { store }).run();
    const lines = async (of: RunStore) =>
      new TextDecoder()
        .decode(await of.read('metrics.jsonl'))
        .trim()
        .split('\n')
        .map((line) => {
          const {
            imagesPerSecond: _i,
            seconds: _s,
            dataWait: _d,
            ...rest
          } = JSON.parse(line) as Record<string, unknown>;
          return rest;
        });
    expect(await lines(store)).toEqual(await lines(whole));
    expect((await lines(store)).map(({ step }) => step)).toEqual([2, 4, 6]);
  });

  it('pauses, makes single steps, samples, saves, and aborts, whenever it is asked', async () => {
    const store = createMemoryStore('controls');
    const events: string[] = [];
    const training = createBrowserTraining(
      { ...sixSteps, totalSteps: 1000, checkpoints: { every: 0 } },
      { store, dataset, onStep: ({ step }: StepOutcome) => events.push(`step ${step}`) },
    );
    const running = training.run();
    await training.pause();
    const paused = events.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events).toHaveLength(paused);
    expect(await training.step()).toMatchObject({ step: paused + 1 });
    const { data, shape, step } = await training.sample();
    expect([shape, step, data.length]).toEqual([[2, 8, 8, 1], paused + 1, 128]);
    expect(data.every((value) => Math.abs(value) <= 1)).toBe(true);
    expect((await training.sample(1)).data).toEqual(data.slice(0, 64)); // the noise of the run's seed
    // The same bytes as in a checkpoint of this step, which it does not save.
    const weights = await training.weights();
    expect(await store.read(`${checkpointPath(step)}/ema.safetensors`)).toBeUndefined();
    expect(await training.checkpoint()).toEqual({ step, path: checkpointPath(step) });
    expect(await store.read(`${checkpointPath(step)}/ema.safetensors`)).toEqual(weights);
    training.resume();
    while (events.length < paused + 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await training.abort();
    const { status, step: last } = await running;
    expect(status).toBe('stopped');
    expect(last).toBe(events.length);
    expect((await loadCheckpoint(store, last)).manifest.step).toBe(last);
    await expect(training.step()).rejects.toThrowWith({ code: 'RUN_CLOSED' });
  });

  it('stops by a signal and at a budget, after saving', async () => {
    const store = createMemoryStore('stopped');
    const controller = new AbortController();
    const options = { store, dataset, signal: controller.signal, onStep: () => controller.abort() };
    expect(await createBrowserTraining(sixSteps, options).run()).toEqual({ status: 'stopped', step: 1, totalSteps: 6 });
    const budget = { ...sixSteps, budgets: { steps: 2 } };
    const training = createBrowserTraining(budget, { store });
    expect(await training.run()).toEqual({ status: 'stepBudget', step: 3, totalSteps: 6 });
    expect((await validSteps(store)).map(({ step }) => step)).toEqual([1, 3]);
    await training.abort();
  });

  it('does not count a pause in the time budget', async () => {
    const seconds = 2;
    const config = { ...sixSteps, totalSteps: 10_000, budgets: { seconds } };
    const training = createBrowserTraining(config, { store: createMemoryStore('paused'), dataset });
    await training.step();
    const running = training.run();
    await training.pause();
    const { step } = await training.open();
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    training.resume();
    const result = await running;
    expect(result.status).toBe('timeBudget');
    // With the pause in it, the budget would be used up after one step.
    expect(result.step).toBeGreaterThan(step + 1);
    await training.abort();
  });

  it('throws what a step threw from then on, and does not save that state', async () => {
    const store = createMemoryStore('failed');
    let isGone = false;
    const read: typeof dataset.read = async (indices) => {
      if (isGone) throw new Error('the data are gone');
      return dataset.read(indices);
    };
    const training = createBrowserTraining(sixSteps, { store, dataset: { ...dataset, read } });
    for (let n = 0; n < 4; n++) await training.step();
    isGone = true;
    const stepping = async () => {
      for (let n = 0; n < 6; n++) await training.step();
    };
    await expect(stepping()).rejects.toThrow('the data are gone');
    await expect(training.step()).rejects.toThrow('the data are gone');
    await expect(training.run()).rejects.toThrow('the data are gone');
    expect((await validSteps(store)).map(({ step }) => step)).toEqual([3]);
  });

  it('refuses a run that another one has opened, until it is closed', async () => {
    const store = createMemoryStore('shared');
    const first = createBrowserTraining(sixSteps, { store, dataset });
    await first.open();
    const second = createBrowserTraining(sixSteps, { store, dataset });
    await expect(second.run()).rejects.toThrowWith({ code: 'RUN_LOCKED', contains: 'shared' });
    await first.abort();
    const third = createBrowserTraining(sixSteps, { store, dataset });
    expect(await third.open()).toMatchObject({ step: 0 });
    await third.abort();
  });

  it('refuses to continue with another configuration or other data, and leaves the run unchanged', async () => {
    const store = createMemoryStore('mine');
    await createBrowserTraining({ ...sixSteps, budgets: { steps: 1 } }, { store, dataset }).run();
    const locked = await copyOf(store);
    const before = await checkpointFiles(locked);
    const start = (config: object, data = dataset) =>
      createBrowserTraining({ ...sixSteps, ...config }, { store: locked, dataset: data }).open();
    await expect(start({ batchSize: 4, seed: 9 })).rejects.toThrowWith({
      code: 'RESUME_MISMATCH',
      contains: ['batchSize: 2 -> 4', 'seed: 0 -> 9'],
    });
    const other = { ...dataset, hash: async () => 'f'.repeat(64) };
    await expect(start({}, other)).rejects.toThrowWith({ code: 'RESUME_MISMATCH', contains: 'other data' });
    await expect(start({ preset: 'mnist-fast' })).rejects.toThrowWith({
      code: 'RESUME_MISMATCH',
      contains: 'preset: "mnist" -> "mnist-fast"',
    });
    expect(await checkpointFiles(locked)).toEqual(before);
    const anew = createBrowserTraining({ ...sixSteps, seed: 9 }, { store: locked, dataset, overwrite: true });
    expect(await anew.open()).toMatchObject({ step: 0 });
    expect(await checkpointFiles(locked)).toEqual({});
    await anew.abort();
  });

  it('stores the data that it trains on, also if a run without a checkpoint was begun with others', async () => {
    const store = createMemoryStore('closed');
    const first = createBrowserTraining(sixSteps, { store, dataset });
    await first.step();
    const reopened = await copyOf(store); // the page is closed before the first checkpoint
    await first.abort();
    const other = createMemoryDataset({ name: 'bars', images: new Uint8Array(128), shape: [8, 8, 1], labels: [0, 1] });
    const second = createBrowserTraining(sixSteps, { store: reopened, dataset: other });
    await second.run();
    await second.abort();
    const again = createBrowserTraining(sixSteps, { store: reopened });
    expect(await again.open()).toMatchObject({ step: 6 });
    await again.abort();
  });

  it('refuses what only Node has, by name', async () => {
    const config = { ...sixSteps, evaluation: { every: 5 }, crop: { size: 4, at: 'center' as const }, initFrom: 'x' };
    const training = createBrowserTraining(config, { store: createMemoryStore('x'), dataset });
    await expect(training.open()).rejects.toThrowWith({
      code: 'CONFIG_INVALID',
      contains: ['evaluation.every', 'crop', 'cropDataset', 'initFrom'],
    });
    const empty = createBrowserTraining(sixSteps, { store: createMemoryStore('x') });
    await expect(empty.run()).rejects.toThrowWith({ code: 'DATA_MISMATCH', contains: 'dataset' });
  });
});

describe('a store that fails', () => {
  /** As a browser reports that the page may store nothing more. */
  const quotaExceeded = () => Object.assign(new Error('The quota was exceeded.'), { name: 'QuotaExceededError' });

  /** `store`, whose writes to paths that match fail. */
  const full = (store: RunStore, paths: RegExp): RunStore => ({
    ...store,
    write: async (path, bytes) => {
      if (paths.test(path)) throw quotaExceeded();
      await store.write(path, bytes);
    },
  });

  it.each(['model.safetensors', 'manifest.json'])(
    'leaves the previous checkpoint valid if %s exceeds the quota, and reports it',
    async (name) => {
      const store = createMemoryStore('full');
      const notes: string[] = [];
      const training = createBrowserTraining(sixSteps, {
        store: full(store, new RegExp(`step-000006/${name}`)),
        dataset,
        onNote: (text) => notes.push(text),
      });
      await expect(training.run()).rejects.toThrowWith({ code: 'DISK_FULL', contains: ['step 6', 'quota'] });
      expect(notes).toContainEqual(expect.stringMatching(/^step 6 /));
      expect((await validSteps(store)).map(({ step }) => step)).toEqual([3]);
      expect((await store.list()).filter(({ path }) => path.includes('step-000006'))).toEqual([]);
      const again = createBrowserTraining(sixSteps, { store });
      expect(await again.run()).toMatchObject({ status: 'finished', step: 6 });
      await again.abort();
    },
  );

  it('keeps the run that is to be overwritten if the new data do not fit', async () => {
    const { store } = await unbroken();
    const before = await checkpointFiles(store);
    const more = { ...sixSteps, seed: 9 };
    const options = { store: full(store, /^data\.shard$/), dataset: barsDataset(), overwrite: true };
    await expect(createBrowserTraining(more, options).run()).rejects.toThrowWith({ code: 'DISK_FULL' });
    expect(await checkpointFiles(store)).toEqual(before);
    const again = createBrowserTraining(sixSteps, { store });
    expect(await again.open()).toMatchObject({ step: 6 });
    await again.abort();
  });

  it('counts what an overwritten run leaves as free', async () => {
    const { store } = await unbroken();
    const usage = (await store.list()).reduce((sum, { bytes }) => sum + bytes, 0);
    vi.stubGlobal('navigator', { storage: { estimate: async () => ({ quota: usage + 10, usage }) } });
    try {
      const other = createBrowserTraining(sixSteps, { store: createMemoryStore('other'), dataset });
      await expect(other.run()).rejects.toThrowWith({ code: 'DISK_FULL', contains: 'checkpoint' });
      const again = createBrowserTraining(sixSteps, { store, dataset, overwrite: true });
      expect(await again.open()).toMatchObject({ step: 0 });
      await again.abort();
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('samples from a run to which nothing can be added, and says so', async () => {
    const { store } = await unbroken();
    const usage = (await store.list()).reduce((sum, { bytes }) => sum + bytes, 0);
    vi.stubGlobal('navigator', { storage: { estimate: async () => ({ quota: usage + 10, usage }) } });
    try {
      const notes: string[] = [];
      const training = createBrowserTraining(sixSteps, { store, onNote: (text) => notes.push(text) });
      expect(await training.sample(1)).toMatchObject({ step: 6 });
      expect(notes).toEqual([expect.stringContaining('checkpoint')]);
      await training.abort();
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('has saved a step also if an older checkpoint cannot be removed', async () => {
    const store = createMemoryStore('old');
    const notes: string[] = [];
    const remove = async (path: string) => {
      if (path === manifestPath(1) && (await store.read(path)) !== undefined) throw new Error('locked');
      await store.remove(path);
    };
    const config = { ...sixSteps, totalSteps: 3, checkpoints: { every: 1, keepLast: 1 } };
    const options = { store: { ...store, remove }, dataset, onNote: (text: string) => notes.push(text) };
    expect(await createBrowserTraining(config, options).run()).toMatchObject({ status: 'finished' });
    expect((await validSteps(store)).map(({ step }) => step)).toEqual([1, 3]);
    expect(notes).toEqual([2, 3].map((step) => expect.stringMatching(new RegExp(`^step ${step} was saved.*locked`))));
  });

  it('saves the state even if the log cannot be saved, and reports it', async () => {
    const store = createMemoryStore('log');
    const notes: string[] = [];
    const onNote = (text: string) => notes.push(text);
    const training = createBrowserTraining(sixSteps, { store: full(store, /^metrics/), dataset, onNote });
    await expect(training.run()).resolves.toMatchObject({ status: 'finished' });
    await training.abort();
    expect((await validSteps(store)).map(({ step }) => step)).toEqual([3, 6]);
    expect(notes).toEqual([expect.stringContaining('metrics.jsonl'), expect.stringContaining('metrics.jsonl')]);
  });

  it('continues from an older checkpoint if the newest is damaged or incomplete, and says so', async () => {
    const { store: whole } = await unbroken();
    const path = `${checkpointPath(6)}/optimizer.safetensors`;
    const damages: Record<string, (store: RunStore) => Promise<void>> = {
      'optimizer.safetensors is damaged': async (store) => {
        const bytes = (await store.read(path))!;
        bytes[100]! ^= 1;
        await store.write(path, bytes);
      },
      'optimizer.safetensors is missing': (store) => store.remove(path),
      'it has no manifest.json': (store) => store.remove(`${checkpointPath(6)}/manifest.json`),
      'its SHA-256 differs from the one at its end': async (store) => {
        const manifest = `${checkpointPath(6)}/manifest.json`;
        const text = new TextDecoder().decode(await store.read(manifest));
        await store.write(manifest, new TextEncoder().encode(text.replace('"step": 6', '"step": 7')));
      },
    };
    for (const [reason, damage] of Object.entries(damages)) {
      const store = await copyOf(whole);
      await damage(store);
      const notes: string[] = [];
      const training = createBrowserTraining(sixSteps, { store, onNote: (text) => notes.push(text) });
      expect(await training.open(), reason).toMatchObject({ step: 3 });
      expect(notes).toEqual([expect.stringContaining(reason)]);
      await training.abort();
      if (reason !== 'it has no manifest.json') continue; // a run takes a second
      await createBrowserTraining(sixSteps, { store }).run();
      expect(await checkpointFiles(store)).toEqual(await checkpointFiles(whole));
    }
  });

  it('does not begin again if all checkpoints are damaged, only if the first is incomplete', async () => {
    const { store } = await unbroken({ checkpoints: { every: 0 } });
    const incomplete = await copyOf(store);
    await incomplete.remove(`${checkpointPath(6)}/manifest.json`);
    const begun = createBrowserTraining({}, { store: incomplete });
    expect(await begun.open()).toMatchObject({ step: 0 });
    await begun.abort();

    const path = `${checkpointPath(6)}/model.safetensors`;
    await store.write(path, (await store.read(path))!.slice(1));
    const before = await checkpointFiles(store);
    const training = createBrowserTraining({}, { store, dataset });
    await expect(training.open()).rejects.toThrowWith({ code: 'CHECKPOINT_INVALID', contains: [path, 'overwrite'] });
    expect(await checkpointFiles(store)).toEqual(before);
  });

  it('leaves a checkpoint of a newer version as it is', async () => {
    const { store } = await unbroken();
    const path = `${checkpointPath(6)}/manifest.json`;
    const text = new TextDecoder().decode(await store.read(path)).replace('"format": 2', '"format": 99');
    await store.write(path, new TextEncoder().encode(text));
    const before = await checkpointFiles(store);
    const training = createBrowserTraining(sixSteps, { store });
    await expect(training.open()).rejects.toThrowWith({ code: 'CHECKPOINT_NEWER' });
    expect(await checkpointFiles(store)).toEqual(before);
  });
});
