/**
 * A model that a page began to train ends in Python: Chromium, zip, `dm train --resume`, `dm export`, diffusers. The images
 * from one noise are the same in Node, in the page, and in Python. Needs DM_PYTHON, a Python with torch and diffusers (or
 * DIFFUSERS_SRC).
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { normalBatch } from '@dm/core';
import { readNpy, writeNpy } from '@dm/data';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from './build-page.js';
import { hasChromium, launch, openPage, serveFolder } from './chromium.js';
import { dm } from './dm.js';
import type { RunTask } from './run-page/worker.js';
import { models } from './train.js';

const { DM_PYTHON: python } = process.env;
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with torch and diffusers' : '';
const script = fileURLToPath(new URL('../../parity/pipeline_check.py', import.meta.url));

/** Sampling steps, and the seed of the noise of the four images that are compared. */
const [steps, seed, count] = [10, 5, 4] as const;

describe.skipIf(!hasChromium() || python === undefined)(`from a page to Python${needs}`, () => {
  let browser: Browser;
  let work: string;
  const pages: string[] = [];

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'dm-round-trip-'));
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    for (const folder of [work, ...pages]) if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a built test page, uses it, and closes it. */
  async function inPage<T>(folder: string, use: (page: Page, url: string) => Promise<T>): Promise<T> {
    const { url, server } = await serveFolder(folder, false);
    const { page, context, messages } = await openPage(browser, url);
    try {
      const result = await use(page, url);
      expect(messages).toEqual([]);
      return result;
    } finally {
      await context.close();
      server.close();
    }
  }

  it('equals in Node, in the page, and in diffusers', { timeout: 400_000 }, async () => {
    const trained = await buildPage('run-page');
    const sampling = await buildPage('sample-page');
    pages.push(trained, sampling);
    // A UNet without classes, which diffusers opens as a DDPMPipeline. The learning rate makes its images differ clearly
    // from the images of the initial weights.
    const config = { model: models.unet, conditional: false, optimizer: { lr: 3e-3 }, totalSteps: 60 } as const;
    const zip = await inPage(trained, async (page) => {
      const call = async (task: RunTask): Promise<unknown> => {
        await page.waitForFunction('"call" in globalThis');
        return page.evaluate(
          (given) => (globalThis as unknown as { call(task: unknown): Promise<unknown> }).call(given),
          task as unknown, // playwright would derive a type from all of the configuration
        );
      };
      const run = { store: 'opfs', name: 'travels', config } as const;
      await call({ ...run, do: 'steps', count: 30 });
      return (await call({ ...run, do: 'export' })) as number[];
    });
    writeFileSync(join(work, 'travels.zip'), Uint8Array.from(zip));
    expect(dm(work, 'train', '--resume', 'travels.zip', '--threads', '1')).toContain('30');
    expect(readFileSync(join(work, 'runs/travels/metrics.jsonl'), 'utf8').trim().split('\n')).toHaveLength(60);
    dm(work, 'export', '--run', 'runs/travels', '--out', 'pipeline');

    const noise = normalBatch({ seed, stream: 'sample', indices: [0, 1, 2, 3] }, [8, 8, 1]);
    await writeNpy(join(work, 'noise.npy'), { shape: [...noise.shape], data: noise.data });
    const sampler = ['--sampler', 'ddim', '--steps', String(steps)];
    dm(work, 'sample', '--run', 'runs/travels', '--noise', 'noise.npy', '--out', 'node.npy', ...sampler);
    const node = (await readNpy(join(work, 'node.npy'))).data as Float32Array;

    cpSync(join(work, 'pipeline'), join(sampling, 'pipeline'), { recursive: true });
    const answer = await inPage(sampling, (page, url) =>
      page.evaluate((task) => (globalThis as unknown as { run(task: unknown): Promise<unknown> }).run(task), {
        url: new URL('pipeline', url).href,
        requests: [{ steps, seed, n: count }],
      }),
    );
    const { images, error } = answer as { readonly images: readonly number[][]; readonly error?: string };
    expect(error).toBeUndefined();
    expect(images[0]).toBeAllClose([...node], { atol: 1e-3 });

    // diffusers opens the pipeline with our own field in its index, which it ignores without a word.
    const index = JSON.parse(readFileSync(join(work, 'pipeline/model_index.json'), 'utf8')) as Record<string, unknown>;
    expect(index).toMatchObject({ _class_name: 'DDPMPipeline', _dm: { sampler: { type: 'ddim' } } });
    // One call for both, since Python takes seconds to start: the noise twice, and the images of Node and of the page.
    const double = { shape: [2 * count, 8, 8, 1] };
    const twice = (first: ArrayLike<number>, second: ArrayLike<number>) =>
      Float32Array.from([...Array.from(first), ...Array.from(second)]);
    await writeNpy(join(work, 'noises.npy'), { ...double, data: twice(noise.data, noise.data) });
    await writeNpy(join(work, 'both.npy'), { ...double, data: twice(node, images[0]!) });
    const args = [script, 'sample', 'pipeline', 'noises.npy', 'both.npy', String(steps)];
    const { status, stdout, stderr } = spawnSync(python!, args, { cwd: work, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^DDPMPipeline, v_prediction: largest difference/);
    expect(stderr).not.toContain('_dm');
    // oxlint-disable-next-line no-console -- for docs/browser.md
    console.log(stdout.trim());
  });
});
