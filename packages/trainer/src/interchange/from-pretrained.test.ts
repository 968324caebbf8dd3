// A pipeline of `dm export`, from a folder and from a server, generates the images of `dm sample`, on both engines.
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { readRegularFileAsync } from '@dm/files';
import { openOnnxEngine } from '@dm/jit';
import { fromPretrained } from '@dm/models';
import { openEagerEngine } from '@dm/ops';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generateSamples } from '../sampling/generate-samples.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { exportModel } from './export.js';

let folder: string;
let [run, pipeline] = ['', ''];

beforeAll(async () => {
  folder = await tinyFolder();
  [run, pipeline] = [join(folder, 'run'), join(folder, 'pipeline')];
  const model = {
    type: 'dit-diffusers',
    patch_size: 4,
    num_layers: 1,
    num_attention_heads: 2,
    attention_head_dim: 8,
  } as const;
  await train({ ...tinyConfig(folder, 1), model, labelDropout: 0.2, out: run });
  await exportModel({ run, format: 'diffusers', out: pipeline });
});
afterAll(() => rmSync(folder, { recursive: true }));

const [request, options] = [
  { label: [1, 0], n: 3, steps: 2, seed: 5, guidance: 2 },
  { label: [1, 0], count: 3, steps: 2, seed: 5, guidance: 2 },
];

it.each(['tfjs-cpu', 'onnx'] as const)('from a folder, on %s', async (name) => {
  const { images } = await generateSamples({ run, engine: name, ...options });
  const engine = name === 'onnx' ? await openOnnxEngine() : await openEagerEngine(name);
  const model = await fromPretrained(pipeline, { engine });
  const { data } = await model.sample(request);
  expect(data).toEqual(images);
  await model.dispose();
  await engine.dispose();
});

it('is compiled once for any number of calls, and again after it has been disposed of', async () => {
  let compilations = 0;
  const engine = await openOnnxEngine({ observer: { compiled: () => void compilations++ } });
  const model = await fromPretrained(pipeline, { engine });
  const first = await model.sample(request);
  expect(await model.sample(request)).toEqual(first);
  expect(compilations).toBe(1);
  await model.dispose();
  expect(await model.sample(request)).toEqual(first);
  expect(compilations).toBe(2);
  await engine.dispose();
});

it('from a server', async () => {
  const asked: string[] = [];
  const server = createServer(({ url = '/' }, response) => {
    asked.push(url);
    readRegularFileAsync(join(folder, new URL(url, 'http://x').pathname), { maxBytes: 2 ** 26 }).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const engine = await openEagerEngine('tfjs-cpu');
    const model = await fromPretrained(`http://127.0.0.1:${port}/pipeline?token=a`, { engine });
    const { images } = await generateSamples({ run, engine: 'tfjs-cpu', ...options });
    expect((await model.sample(request)).data).toEqual(images);
    expect(asked).toEqual([
      '/pipeline/model_index.json?token=a',
      '/pipeline/transformer/config.json?token=a',
      '/pipeline/scheduler/scheduler_config.json?token=a',
      '/pipeline/transformer/diffusion_pytorch_model.safetensors?token=a',
    ]);
    await engine.dispose();
  } finally {
    server.close();
  }
});
