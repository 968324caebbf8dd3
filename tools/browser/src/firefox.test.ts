/** The training step in Firefox. */
import { rmSync } from 'node:fs';
import { openOnnxEngine } from '@dm/jit';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from './build-page.js';
import { serveFolder } from './chromium.js';
import { hasFirefox, launchFirefox } from './firefox.js';
import type { Result, Task } from './page/worker-task.js';
import { type ModelName, train } from './train.js';

const steps = 3;
const needs = hasFirefox
  ? ''
  : ': SKIPPED, install Firefox (apt-get install firefox-esr), or set DM_FIREFOX to its path';

describe.skipIf(!hasFirefox)(`training in Firefox${needs}`, () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = await buildPage();
    browser = await launchFirefox();
  });
  afterAll(async () => {
    await browser?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function run(task: Task, isolated: boolean): Promise<Result> {
    const { url, server } = await serveFolder(folder, isolated);
    const page = await browser.newPage();
    try {
      await page.goto(url);
      await page.waitForFunction('"run" in globalThis');
      expect(await page.evaluate('crossOriginIsolated')).toBe(isolated);
      const result = await page.evaluate(
        (given) => (globalThis as unknown as { run(task: unknown): Promise<unknown> }).run(given),
        task,
      );
      if (typeof result === 'object' && result !== null && 'error' in result) throw new Error(JSON.stringify(result));
      return result as Result;
    } finally {
      await page.close();
      server.close();
    }
  }

  it.each([
    ['unet', 1],
    ['dit', 2],
  ] as const)('%s: three steps on %i threads of wasm equal those of Node', async (model: ModelName, threads) => {
    const engine = await openOnnxEngine({ convolutions: 'plain', threads: 1 });
    const expected = await train(engine, model, steps);
    await engine.dispose();
    const result = await run({ device: 'cpu', model, steps, threads }, threads > 1);
    expect(result.info).toMatchObject({ device: 'cpu', threads });
    expect(result.losses).toBeAllClose([...expected.losses], { rtol: 1e-5 });
  });
});
