/** Pipelines generate the images of Node in Chromium, in a page without the trainer. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openOnnxEngine } from '@dm/jit';
import {
  ditTransformer2d,
  fromPretrained,
  initialize,
  type PipelineContent,
  pipelineFiles,
  type SampleRequest,
  toTorch,
  unet2d,
} from '@dm/models';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launch, openPage, serveFolder } from './chromium.js';

const page = fileURLToPath(new URL('sample-page', import.meta.url));

const image = { sample_size: 8, in_channels: 1 };
const everySampler = { guidance: 1, guidanceInterval: null, clipping: { type: 'range', max: 1 } } as const;

/** Models of two classes with initial weights, a null class, and different samplers. */
const pipelines: Readonly<Record<string, Omit<PipelineContent, 'weights'>>> = {
  unet: {
    model: unet2d({
      ...image,
      out_channels: 1,
      block_out_channels: [8, 16],
      down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
      up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
      layers_per_block: 1,
      norm_num_groups: 4,
      num_class_embeds: 3,
    }),
    diffusion: { schedule: { type: 'cosine' }, timesteps: 1000, prediction: { type: 'v' }, variance: null },
    sampler: { ...everySampler, type: 'ddim', steps: 50, path: { type: 'discrete' } },
    nullClass: 2,
  },
  transformer: {
    model: ditTransformer2d({
      ...image,
      patch_size: 2,
      num_layers: 2,
      num_attention_heads: 2,
      attention_head_dim: 16,
      num_embeds_ada_norm: 2,
    }),
    diffusion: { schedule: { type: 'linear' }, timesteps: 1000, prediction: { type: 'epsilon' }, variance: null },
    sampler: { ...everySampler, type: 'dpmpp-2m', steps: 4, path: { type: 'karras' } },
  },
};

const requests: readonly SampleRequest[] = [
  { steps: 3, seed: 1, n: 2 },
  { label: 1, steps: 4, seed: 2, guidance: 2 },
];

describe.skipIf(!hasChromium())('sampling in Chromium', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dm-sample-page-'));
    await build({
      root: page,
      configFile: false,
      logLevel: 'warn',
      build: { outDir: join(folder, 'page'), emptyOutDir: true },
    });
    for (const [name, content] of Object.entries(pipelines)) {
      const weights = toTorch(content.model, initialize(content.model, 1));
      for (const [path, file] of Object.entries(pipelineFiles({ ...content, weights }).files)) {
        const target = join(folder, 'page', name, path);
        mkdirSync(dirname(target), { recursive: true });
        writeFileSync(target, file);
      }
    }
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  interface Answer {
    readonly images: readonly (readonly number[])[];
    readonly classes: readonly string[];
    readonly notes: readonly string[];
    readonly info: Readonly<Record<string, string | number | boolean>>;
    readonly error?: string;
    readonly code?: string;
    /** What the page printed. */
    readonly messages: readonly string[];
  }

  /** Samples in a page that has been opened for it. */
  async function sampled(path: string, { device = 'cpu', threads = 1 } = {}): Promise<Answer> {
    const { url, server } = await serveFolder(join(folder, 'page'), threads > 1);
    const { page: opened, context, messages } = await openPage(browser, url);
    try {
      const answer = await opened.evaluate(
        (task) => (globalThis as unknown as { run(task: unknown): Promise<unknown> }).run(task),
        { url: new URL(path, url).href, requests, device, threads },
      );
      return { ...(answer as Answer), messages };
    } finally {
      await context.close();
      server.close();
    }
  }

  describe.each(Object.keys(pipelines))('%s: the images equal those of Node', (name) => {
    const wanted: number[][] = [];

    beforeAll(async () => {
      const engine = await openOnnxEngine({ convolutions: 'plain', threads: 1 });
      const model = await fromPretrained(join(folder, 'page', name), { engine });
      // oxlint-disable-next-line no-await-in-loop -- one model
      for (const request of requests) wanted.push([...(await model.sample(request)).data]);
      await model.dispose();
      await engine.dispose();
    });

    it.each([
      { device: 'cpu', threads: 1 },
      { device: 'cpu', threads: 2 },
      { device: 'webgpu', threads: 1 },
    ])('on $device, $threads threads', async (options) => {
      const { images, classes, notes, info, error, messages } = await sampled(name, options);
      expect(error).toBeUndefined();
      expect(info).toMatchObject(options);
      expect([classes, notes, messages]).toEqual([['0', '1'], [], []]);
      for (const [i, values] of wanted.entries()) expect(images[i]).toBeAllClose(values, { atol: 1e-3 });
    });
  });

  it('names the file that is missing', async () => {
    expect(await sampled('nothing')).toMatchObject({
      code: 'FILE_NOT_FOUND',
      error: expect.stringContaining('nothing'),
    });
  });
});
