import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { barsDataset, sixSteps } from '../testing/browser-run.js';
import { connectTraining, serveTraining, type TrainingPort } from './connect.js';
import { createMemoryStore, type RunStore } from './run-store.js';
import { createBrowserTraining } from './training.js';

/** The two ends of a channel that copies what it carries, as between a page and its worker. */
function channel() {
  const { port1, port2 } = new MessageChannel();
  const portOf = (port: typeof port1) => port as unknown as TrainingPort<unknown, never>;
  return { page: portOf(port1), worker: portOf(port2), close: () => port1.close() };
}

/** Serves runs of `store` on a channel, and connects to it. */
function connected(store: RunStore, config: object, hooks = {}) {
  const { page, worker, close } = channel();
  serveTraining((given, events) => createBrowserTraining(given, { store, dataset: barsDataset(), ...events }), worker);
  return { training: connectTraining(page, config, hooks), close };
}

describe('connectTraining', () => {
  it('runs, pauses, samples, and reports as in the worker itself', async () => {
    const events: string[] = [];
    const hooks = {
      onStart: ({ step }: { step: number }) => events.push(`start ${step}`),
      onStep: ({ step, result }: { step: number; result: { loss: number } }) =>
        events.push(`step ${step} ${Number.isFinite(result.loss)}`),
      onLog: ({ step }: { step: number }) => events.push(`log ${step}`),
      onSamples: ({ step, data }: { step: number; data: Float32Array }) =>
        events.push(`samples ${step} ${data.length}`),
      onCheckpoint: ({ path }: { path: string }) => events.push(path),
    };
    const store = createMemoryStore('connected');
    const { training, close } = connected(store, { ...sixSteps, sampleEvery: 3, totalSteps: 3 }, hooks);
    expect(await training.open()).toMatchObject({ name: 'connected', step: 0, totalSteps: 3, device: 'cpu' });
    expect(await training.step()).toMatchObject({ step: 1 });
    await training.pause();
    training.resume();
    expect(await training.run()).toEqual({ status: 'finished', step: 3, totalSteps: 3 });
    const { data, shape } = await training.sample(1);
    expect([data.constructor, data.length, shape]).toEqual([Float32Array, 64, [1, 8, 8, 1]]);
    expect(await training.checkpoint()).toEqual({ step: 3, path: 'checkpoints/step-000003' });
    await training.abort();
    expect(events).toEqual([
      'start 0',
      'step 1 true',
      'step 2 true',
      'log 2',
      'step 3 true',
      'log 3',
      'samples 3 128',
      'checkpoints/step-000003',
    ]);
    close();
  });

  it('passes on errors with their codes', async () => {
    const store = createMemoryStore('locked');
    const unlock = await store.lock();
    const { training, close } = connected(store, sixSteps);
    await expect(training.run()).rejects.toThrowWith({ code: 'RUN_LOCKED', contains: 'locked' });
    unlock();
    close();
    const other = connected(store, { ...sixSteps, batchSise: 1 });
    await expect(other.training.open()).rejects.toThrowWith({ code: 'CONFIG_UNKNOWN_FIELD', contains: 'batchSise' });
    other.close();
  });

  it('does not wait for the request to keep the run, which later calls would overtake', async () => {
    // The page's request waits for its user; the worker is in the same process here.
    const persist = vi
      .fn<() => Promise<boolean>>()
      .mockReturnValueOnce(new Promise(() => {}))
      .mockResolvedValue(false);
    vi.stubGlobal('navigator', { storage: { persist } });
    try {
      let steps = 0;
      const config = { ...sixSteps, totalSteps: 10_000, checkpoints: { every: 0 } };
      const { training, close } = connected(createMemoryStore('asked'), config, { onStep: () => steps++ });
      const running = training.run();
      await training.pause();
      await new Promise((resolve) => setTimeout(resolve, 100)); // for the messages about steps before the pause
      const paused = steps;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(steps).toBe(paused);
      training.resume();
      const aborting = training.abort();
      expect(await running).toMatchObject({ status: 'stopped' });
      await aborting;
      close();
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('leaves an error of a call that returns nothing to the other calls', async () => {
    const { page, worker, close } = channel();
    serveTraining(() => {
      throw new Error('no data');
    }, worker);
    const unhandled = vi.fn<() => void>();
    process.on('unhandledRejection', unhandled);
    const training = connectTraining(page, sixSteps);
    training.resume();
    await expect(training.open()).rejects.toThrow('no data');
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    close();
  });

  it('rejects what waits for a worker that fails, and later calls', async () => {
    const { page, close } = channel();
    const training = connectTraining(page, sixSteps);
    const opening = training.open();
    const event = Object.assign(new Event('error'), { message: 'out of memory' });
    (page as unknown as EventTarget).dispatchEvent(event);
    await expect(opening).rejects.toThrowWith({ code: 'RUN_CLOSED', contains: 'out of memory' });
    await expect(training.step()).rejects.toThrowWith({ code: 'RUN_CLOSED', contains: 'out of memory' });
    close();
  });
});
