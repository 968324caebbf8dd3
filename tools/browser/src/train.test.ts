import { rmSync } from 'node:fs';
import { openOnnxEngine } from '@dm/jit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from './build-page.js';
import { hasChromium, launch, openPage, serveFolder } from './chromium.js';
import type { Result, Task } from './page/worker-task.js';
import { models, type ModelName, train, type Trained } from './train.js';

const steps = 5;

describe.skipIf(!hasChromium())('training in Chromium', () => {
  let folder: string;
  let browser: Browser;
  const expected = new Map<ModelName, Trained>();

  beforeAll(async () => {
    folder = await buildPage();
    browser = await launch();
    const engine = await openOnnxEngine({ convolutions: 'plain', threads: 1 });
    for (const name of Object.keys(models) as ModelName[]) expected.set(name, await train(engine, name, steps));
    await engine.dispose();
  });
  afterAll(async () => {
    await browser?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a task in a page that has been opened for it. */
  async function run(task: Task, isolated: boolean): Promise<Result> {
    const { url, server } = await serveFolder(folder, isolated);
    const { page, context, messages } = await openPage(browser, url);
    try {
      expect(await page.evaluate('crossOriginIsolated')).toBe(isolated);
      const result = await page.evaluate(
        (given) => (globalThis as unknown as { run(task: unknown): Promise<unknown> }).run(given),
        task,
      );
      if (typeof result === 'object' && result !== null && 'error' in result) throw new Error(JSON.stringify(result));
      expect(messages).toEqual([]);
      return result as Result;
    } finally {
      await context.close();
      server.close();
    }
  }

  const relative = (a: readonly number[], b: readonly number[]): number =>
    Math.max(...a.map((value, i) => Math.abs(value - b[i]!) / Math.abs(b[i]!)));

  describe.each(Object.keys(models) as ModelName[])('%s', (model) => {
    it('equals Node on one thread of wasm', async () => {
      const result = await run({ device: 'cpu', model, steps }, false);
      expect(result.info).toMatchObject({ device: 'cpu', threads: 1 });
      expect(result.losses).toHaveLength(steps);
      expect(relative(result.losses, expected.get(model)!.losses)).toBeLessThan(1e-5);
      expect(relative(result.gradNorms, expected.get(model)!.gradNorms)).toBeLessThan(1e-4);
      expect(result.data).toBe(expected.get(model)!.data);
    });

    it('equals Node on two threads of wasm, in a page that is cross-origin isolated', async () => {
      const result = await run({ device: 'cpu', model, steps, threads: 2 }, true);
      expect(result.info).toMatchObject({ device: 'cpu', threads: 2 });
      expect(relative(result.losses, expected.get(model)!.losses)).toBeLessThan(1e-5);
    });

    it('equals Node on WebGPU, with the state on the device', async () => {
      const result = await run({ device: 'webgpu', model, steps }, false);
      expect(result.info).toMatchObject({ device: 'webgpu' });
      expect(relative(result.losses, expected.get(model)!.losses)).toBeLessThan(1e-5);
    });
  });

  it('refuses threads that the page cannot have', async () => {
    const task = { device: 'cpu', model: 'dit', steps, threads: 2 } as const;
    await expect(run(task, false)).rejects.toThrow('THREADS_UNAVAILABLE');
  });
});
