import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ConfigError } from './config-error.js';
import { diffusersJson } from './diffusers-json.js';
import { loadModel } from './from-pretrained.js';
import { initialize } from './initialize.js';
import { formatSafetensors } from './safetensors/format.js';
import { toTorch } from './torch-layout.js';
import { unet2d } from './unet/extended.js';

const model = unet2d({
  sample_size: 8,
  in_channels: 1,
  out_channels: 1,
  block_out_channels: [8, 16],
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
  norm_num_groups: 4,
});
const start = initialize(model, 0);
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dm-models-'));
  await writeFile(join(folder, 'config.json'), diffusersJson(model.kind, model.config));
});

it('loads a model from one file', async () => {
  await writeFile(join(folder, 'diffusion_pytorch_model.safetensors'), formatSafetensors(toTorch(model, start)));
  const { model: read, params } = await loadModel(folder);
  expect(read.specs).toEqual(model.specs);
  expect(params).toEqual(start);
});

it('loads a sharded model', async () => {
  const unet = join(await mkdtemp(join(tmpdir(), 'dm-models-')), 'unet');
  await mkdir(unet);
  await writeFile(join(unet, 'config.json'), diffusersJson(model.kind, model.config));
  const tensors = Object.entries(toTorch(model, start));
  const half = Math.ceil(tensors.length / 2);
  const weightMap: Record<string, string> = {};
  for (const [i, part] of [tensors.slice(0, half), tensors.slice(half)].entries()) {
    const file = `diffusion_pytorch_model-0000${i + 1}-of-00002.safetensors`;
    await writeFile(join(unet, file), formatSafetensors(Object.fromEntries(part)));
    for (const [name] of part) weightMap[name] = file;
  }
  const index = JSON.stringify({ metadata: { total_size: 0 }, weight_map: weightMap });
  await writeFile(join(unet, 'diffusion_pytorch_model.safetensors.index.json'), index);
  expect((await loadModel(unet)).params).toEqual(start);
});

it('loads a variant from one file or from shards', async () => {
  const bytes = formatSafetensors(toTorch(model, start));
  const variants = [
    { 'diffusion_pytorch_model.fp16.safetensors': bytes, 'diffusion_pytorch_model.bf16.safetensors': new Uint8Array() },
    {
      'diffusion_pytorch_model.fp16-00001-of-00001.safetensors': bytes,
      'diffusion_pytorch_model.safetensors.index.fp16.json': JSON.stringify({
        weight_map: Object.fromEntries(
          Object.keys(toTorch(model, start)).map((name) => [
            name,
            'diffusion_pytorch_model.fp16-00001-of-00001.safetensors',
          ]),
        ),
      }),
    },
  ];
  for (const files of variants) {
    const unet = await mkdtemp(join(tmpdir(), 'dm-models-'));
    await writeFile(join(unet, 'config.json'), diffusersJson(model.kind, model.config));
    for (const [name, content] of Object.entries(files)) await writeFile(join(unet, name), content);
    expect((await loadModel(unet)).params).toEqual(start);
  }
});

it('refuses a folder without weights', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'dm-models-'));
  await writeFile(join(empty, 'config.json'), diffusersJson(model.kind, model.config));
  await expect(loadModel(empty)).rejects.toThrowWith({
    code: 'FILE_NOT_FOUND',
    contains: 'diffusion_pytorch_model.safetensors',
  });
});

it('refuses an unsupported class', async () => {
  const other = await mkdtemp(join(tmpdir(), 'dm-models-'));
  await writeFile(join(other, 'config.json'), diffusersJson('AutoencoderKL', {}));
  await expect(loadModel(other)).rejects.toThrowWith({
    type: ConfigError,
    contains: ['_class_name', 'UNet2DModel', 'AutoencoderKL'],
  });
});

it.each([
  ['null', 'null', 'FILE_INVALID'],
  ['a list', '[]', 'FILE_INVALID'],
  ['a string', '"UNet2DModel"', 'FILE_INVALID'],
  ['half a document', '{"_class_name":', 'FILE_INVALID'],
  ['a class that is a list', '{"_class_name":["UNet2DModel"]}', 'MODEL_CONFIG_INVALID'],
  ['a deep class', `{"_class_name":${'['.repeat(1e5)}${']'.repeat(1e5)}}`, 'FILE_INVALID'],
])('refuses a config.json that is %s, naming the file', async (_, text, code) => {
  const other = await mkdtemp(join(tmpdir(), 'dm-models-'));
  await writeFile(join(other, 'config.json'), text);
  await expect(loadModel(other)).rejects.toThrowWith({
    code,
    contains: `${other}/config.json`,
  });
});
