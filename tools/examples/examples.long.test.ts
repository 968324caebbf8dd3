/** Runs every example with `--smoke`, as a user would, on the built packages; pages run in Chromium. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { initialize, pipelineFiles, toTorch, unet2d } from '@dm/models';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launch, openPage, serveFolder } from '../browser/src/chromium.js';

const examples = join(import.meta.dirname, '..', '..', 'examples');
const tsx = createRequire(import.meta.url).resolve('tsx/cli');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-examples-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program in a folder for it; returns that folder, and what it printed. */
async function run(name: string, args: readonly string[]): Promise<{ cwd: string; output: string }> {
  const cwd = join(folder, name);
  mkdirSync(cwd, { recursive: true });
  // Nx forces colors, which would be part of printed numbers.
  const env = { ...process.env, FORCE_COLOR: '0' };
  const child = spawn(process.execPath, [...args, '--smoke'], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code, output).toBe(0);
  return { cwd, output };
}

const runExample = (name: string) => run(name, [tsx, join(examples, name, 'main.ts')]);
const isPng = (path: string): boolean => readFileSync(path).subarray(1, 4).toString() === 'PNG';
const numberAfter = (text: string, output: string): number =>
  Number(new RegExp(`${text}\\s+([\\d.]+)`).exec(output)?.[1]);

const programs: Readonly<Record<string, () => Promise<void>>> = {
  'swiss-roll': async () => {
    const { output } = await runExample('swiss-roll');
    const [before, after] = [numberAfter('untrained:', output), numberAfter('after 400 steps:', output)];
    expect(before).toBeGreaterThan(0.35);
    expect(after).toBeLessThan(0.6 * before);
  },
  'mnist-loop': async () => {
    const { cwd, output } = await runExample('mnist-loop');
    expect(numberAfter('^0', output)).toBeGreaterThan(0);
    expect(isPng(join(cwd, 'digits.png'))).toBe(true);
  },
  'image-folder': async () => {
    const { cwd, output } = await runExample('image-folder');
    expect(output).toContain('10 steps');
    await runExample('image-folder'); // also a second time
    expect(isPng(join(cwd, 'runs/image-folder/classes.png'))).toBe(true);
    const { model } = JSON.parse(readFileSync(join(cwd, 'runs/image-folder/config.json'), 'utf8')) as { model: object };
    expect(model).toMatchObject({ in_channels: 3, num_class_embeds: 4 }); // three classes and the null class
  },
  'fine-tune': async () => {
    const { cwd, output } = await runExample('fine-tune');
    expect(output).toContain('imported UNet2DModel with 637105 parameters');
    expect(readdirSync(join(cwd, 'runs/fine-tuned-pipeline'))).toContain('model_index.json');
    const weights = (name: string) => readFileSync(join(cwd, 'runs', name, 'unet/diffusion_pytorch_model.safetensors'));
    expect(weights('fine-tuned-pipeline').equals(weights('pretrained'))).toBe(false);
    await runExample('fine-tune'); // also a second time
  },
  'compare-folders': async () => {
    const { output } = await runExample('compare-folders');
    for (const label of ['FD-pixels', 'FD-mobilenet']) expect(numberAfter(label, output)).toBeGreaterThan(0);
    expect(output).toContain('biased upward'); // 100 images are too few, and it warns
  },
  'custom-curriculum': async () => {
    const { output } = await runExample('custom-curriculum');
    const first = [...output.matchAll(/timesteps from (\d+)/g)].map(([, t]) => Number(t));
    expect(first.length).toBe(6);
    expect(first[0]).toBeGreaterThanOrEqual(900);
    expect(first[5]).toBeLessThan(first[0]!);
  },
  'pytorch-tables': async () => {
    const { output } = await run('pytorch-tables', [join(examples, 'pytorch-tables', 'main.mjs')]);
    if (output.includes('SKIPPED')) return console.warn(output);
    expect(output).toMatch(/step 300: loss [\d.]+, lr 2\.\d+e-04, beta1 0\.0/);
  },
};

const pages: Readonly<Record<string, (url: string, page: Page) => Promise<void>>> = {
  'train-in-page': async (_url, page) => {
    await page.waitForFunction(`document.getElementById('status').textContent === 'Finished after 4 steps'`);
    expect(await page.evaluate(colors('samples'))).toBeGreaterThan(5);
  },
  'sample-in-page': async (_url, page) => {
    await page.click('button');
    await page.waitForFunction(`document.getElementById('image').width === 8`);
    expect(await page.locator('#status').textContent()).toBe('');
    expect(await page.evaluate(colors('image'))).toBeGreaterThan(5);
  },
};

/** Code that counts the colors of a canvas. */
const colors = (id: string): string => `(() => {
  const { width, height } = document.getElementById('${id}');
  const { data } = document.getElementById('${id}').getContext('2d').getImageData(0, 0, width, height);
  return new Set(data).size;
})()`;

it('all examples are run here', () => {
  const folders = readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const named = [...Object.keys(programs), ...Object.keys(pages)];
  expect(named.toSorted()).toEqual(folders.map(({ name }) => name).toSorted());
});

// oxlint-disable-next-line vitest/expect-expect -- in `programs`
it.each(Object.keys(programs))('%s', (name) => programs[name]!());

/** A pipeline of two classes with initial weights, in the folder that sample-in-page reads. */
function writeModel(out: string): void {
  const model = unet2d({
    sample_size: 8,
    in_channels: 1,
    out_channels: 1,
    block_out_channels: [8, 16],
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 4,
    num_class_embeds: 10,
  });
  const { files } = pipelineFiles({
    model,
    weights: toTorch(model, initialize(model, 0)),
    diffusion: { schedule: { type: 'cosine' }, timesteps: 1000, prediction: { type: 'v' }, variance: null },
    sampler: {
      type: 'ddim',
      steps: 2,
      guidance: 1,
      guidanceInterval: null,
      clipping: { type: 'range', max: 1 },
      path: { type: 'discrete' },
    },
  });
  for (const [path, file] of Object.entries(files)) {
    mkdirSync(dirname(join(out, 'model', path)), { recursive: true });
    writeFileSync(join(out, 'model', path), file);
  }
}

describe.skipIf(!hasChromium())('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(async () => browser?.close());

  it.each(Object.keys(pages))('%s', async (name) => {
    const outDir = join(folder, name);
    await build({ root: join(examples, name), logLevel: 'warn', build: { outDir, emptyOutDir: true } });
    writeModel(outDir);
    const { url, server } = await serveFolder(outDir, false);
    const { page, context, messages } = await openPage(browser, `${url}?smoke`);
    try {
      await pages[name]!(url, page);
      expect(messages).toEqual([]);
    } finally {
      await context.close();
      server.close();
    }
  });
});
