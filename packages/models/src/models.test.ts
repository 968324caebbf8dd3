import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { diffusersJson } from './diffusers-json.js';
import { dit } from './dit/dit.js';
import { ditTransformer2d } from './dit/transformer2d.js';
import { type DiTSizeName, ditSizes } from './dit/sizes.js';
import { initialize } from './initialize.js';
import { parameterLayout } from './layout.js';
import type { Model } from './model.js';
import { summary, summaryText } from './summary.js';
import { unet2dConfig } from './unet/config.js';
import { unetPresets } from './unet/presets.js';
import { unet2d } from './unet/unet2d.js';
import { uvitSizes } from './uvit/sizes.js';
import { uvit } from './uvit/uvit.js';

beforeAll(() => tf.setBackend('cpu'));

/** Weights that are nowhere zero, as tensors. */
const weights = (model: Model, without: readonly string[] = []) =>
  Object.fromEntries(
    Object.entries(initialize(model, 1))
      .filter(([name]) => !without.includes(name))
      .map(([name, { data, shape }], i) => [name, tf.add(tf.tensor(data, [...shape]), 0.01 * ((i % 3) - 1))]),
  );

const images = (model: Model, n: number) => {
  const shape = [n, ...model.inputShape];
  const size = shape.reduce((a, b) => a * b);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * i)),
    shape,
  );
};

const tiny = {
  sample_size: 8,
  block_out_channels: [8, 8],
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
  layers_per_block: 1,
  norm_num_groups: 4,
} as const;

describe('presets', () => {
  // Of the published configurations: the files' own counts, in Ho et al. 2020 35.7M and 114M.
  it.each([
    ['cifar10-small', 6_472_195],
    ['ddpm-cifar10', 35_746_307],
    ['ddpm-celebahq', 113_673_219],
    ['ddpm-church', 113_673_219],
  ] as const)('%s has %i parameters', (name, count) => {
    expect(parameterLayout(unet2d(unetPresets[name])).size).toBe(count);
  });

  it('are all valid', () => {
    for (const preset of Object.values(unetPresets)) expect(() => unet2d(preset)).not.toThrow();
  });

  // Table 1 of arXiv:2212.09748 gives 33, 130, 458 and 675 millions.
  it.each<[DiTSizeName, number]>([
    ['DiT-S/2', 33],
    ['DiT-B/2', 130],
    ['DiT-L/2', 458],
    ['DiT-XL/2', 675],
  ])('%s has %i million parameters', (name, millions) => {
    const { size } = parameterLayout(dit({ ...ditSizes[name], num_classes: 1000 }));
    expect(Math.round(size / 1e6)).toBe(millions);
  });
});

it.each<[keyof typeof uvitSizes, number]>([
  // Table 1 of arXiv:2209.12152, at patches of 2 and 32 x 32 pixels or latents.
  ['U-ViT-S', 44],
  ['U-ViT-S-Deep', 58],
  ['U-ViT-M', 131],
  ['U-ViT-L', 287],
  ['U-ViT-H', 501],
])('%s has %i million parameters', (name, millions) => {
  const { size } = parameterLayout(uvit({ ...uvitSizes[name], img_size: 32, patch_size: 2, in_chans: 4 }));
  expect(Math.abs(size / 1e6 / millions - 1)).toBeLessThan(0.01);
});

describe('configurations', () => {
  const text = readFileSync(new URL('fixtures/unet-config.json', import.meta.url), 'utf8');

  it('of diffusers are read and written unchanged', () => {
    const { kind, config } = unet2d(JSON.parse(text));
    const written = diffusersJson(kind, config);
    expect(JSON.parse(written)).toEqual(JSON.parse(text));
    expect(Object.keys(JSON.parse(written) as object)).toEqual(Object.keys(JSON.parse(text) as object));
  });

  it('get the defaults of diffusers', () => {
    const { sample_size, block_out_channels, ...rest } = unet2dConfig({ sample_size: 32 });
    expect({ sample_size, block_out_channels }).toEqual({ sample_size: 32, block_out_channels: [224, 448, 672, 896] });
    expect(rest).toMatchObject({ norm_eps: 1e-5, attention_head_dim: 8, layers_per_block: 2, flip_sin_to_cos: true });
  });

  it.each<[object, RegExp]>([
    [{ _class_name: 'UNet2DConditionModel' }, /another model class, "UNet2DConditionModel"/],
    [{ blockOutChannels: [8] }, /unknown field blockOutChannels; the fields are sample_size, in_channels/],
    [{ down_block_types: ['DownBlock2D', 'SkipDownBlock2D'] }, /made of DownBlock2D.*not "SkipDownBlock2D"/],
    [{ up_block_types: ['UpBlock2D'] }, /up_block_types must be a list of 2, .*got \["UpBlock2D"\]/],
    [{ sample_size: 7 }, /images of 7 x 7 cannot be halved 1 times.*multiples of 2/],
    [{ sample_size: [8, 6, 2] }, /sample_size must be an integer from 1 to 65536, or \[height, width\], got \[8,6,2\]/],
    [{ sample_size: null }, /sample_size must be .*got null/],
    [{ norm_num_groups: 3 }, /norm_num_groups must be a divisor of .*\(8, 8\), got 3/],
    [{ attention_head_dim: 16 }, /attention_head_dim must be at most 8, .*got 16/],
    [{ attn_norm_num_groups: 3 }, /attn_norm_num_groups must be null or a divisor of 8, .*got 3/],
    [{ act_fn: 'mish' }, /act_fn must be one of "silu", "swish", got "mish"/],
    [{ resnet_time_scale_shift: 'spatial' }, /resnet_time_scale_shift must be .*got "spatial"/],
    [{ class_embed_type: 'timestep' }, /class_embed_type must be one of null, got "timestep"/],
    [{ dropout: 1 }, /dropout must be a number >= 0 and < 1, got 1/],
    [{ dropout: null }, /dropout must be .*got null/],
    [{ layers_per_block: 0 }, /layers_per_block must be an integer from 1 .*, got 0/],
    [{ layers_per_block: 1e9 }, /layers_per_block must be an integer from 1 to 64, got 1000000000/],
    [{ sample_size: 1e9 }, /sample_size must be an integer from 1 to 65536/],
    [{ in_channels: 1e9 }, /in_channels must be .* to 1048576, got 1000000000/],
    [{ num_class_embeds: 1e9 }, /num_class_embeds must be .* to 1048576/],
    [{ num_class_embeds: 2.5 }, /num_class_embeds must be an integer from 1 .*, or null, got 2.5/],
    [{ add_attention: 1 }, /add_attention must be true or false, got 1/],
    [{ freq_shift: 4 }, /freq_shift must be .*got 4/],
    [{ norm_eps: 0 }, /norm_eps must be a number > 0, got 0/],
  ])('%j is refused', (change, message) => {
    expect(() => unet2dConfig({ ...tiny, ...change })).toThrow(message);
  });

  it.each<[object, RegExp]>([
    [{ patch_size: 3 }, /32 x 32 cannot be cut into patches of 3 x 3/],
    [{ hidden_size: 100, num_heads: 16 }, /hidden_size must be .*got 100/],
    [{ num_classes: -1 }, /num_classes must be .*got -1/],
    [{ inputSize: 32 }, /unknown field inputSize/],
    [{ depth: 1e9 }, /depth must be an integer from 1 to 1024, got 1000000000/],
    [{ hidden_size: 4e9 }, /hidden_size must be .*, got 4000000000/],
    [{ mlp_ratio: 1e9 }, /mlp_ratio must be .* <= 1024, got 1000000000/],
    [{ class_dropout_prob: 1.5 }, /class_dropout_prob must be .*got 1.5/],
  ])('%j is refused by DiT', (change, message) => {
    expect(() => dit(change)).toThrow(message);
  });

  it.each<[object, RegExp]>([
    [{ sample_size: 9 }, /9 x 9 cannot be cut into patches of 2 x 2/],
    [{ norm_type: 'layer_norm' }, /norm_type must be one of "ada_norm_zero", got "layer_norm"/],
    [{ dropout: 0.1 }, /dropout must be .*got 0.1/],
    [{ attention_head_dim: 3, num_attention_heads: 2 }, /num_attention_heads times attention_head_dim must be .*got 6/],
    [{ hidden_size: 8 }, /unknown field hidden_size/],
    [{ num_layers: 1e9 }, /num_layers must be an integer from 1 to 1024, got 1000000000/],
  ])("%j is refused by diffusers' DiT", (change, message) => {
    expect(() => ditTransformer2d(change)).toThrow(message);
  });

  it.each<[object, RegExp]>([
    [{ depth: 3 }, /depth must be even: .*got 3/],
    [{ img_size: 20 }, /20 x 20 cannot be cut into patches of 16 x 16/],
    [{ num_heads: 7 }, /embed_dim must be a multiple of num_heads, 7, got 768/],
    [{ num_classes: 0 }, /num_classes must be .*got 0/],
    [{ use_checkpoint: true }, /unknown field use_checkpoint/],
  ])('%j is refused by U-ViT', (change, message) => {
    expect(() => uvit(change)).toThrow(message);
  });

  it('that are no objects are refused', () => {
    for (const config of [null, [], 'unet', 3]) expect(() => unet2dConfig(config)).toThrow(/object of named fields/);
  });
});

describe('calls', () => {
  const model = unet2d({ ...tiny, num_class_embeds: 3, dropout: 0.1 });
  const params = weights(model);
  const x = images(model, 2);
  const t = tf.tensor1d([1, 2]);
  const cond = tf.cast(tf.oneHot(tf.tensor1d([0, 2], 'int32'), 3), 'float32');

  it.each<[string, () => unknown, RegExp]>([
    [
      'channels',
      () => model.apply(params, tf.zeros([2, 8, 8, 4]), t, { cond }),
      /x must be \[N, H, W, 3\], got \[2, 8, 8, 4\]/,
    ],
    ['timesteps', () => model.apply(params, x, tf.tensor1d([1]), { cond }), /t must be \[2\].*got \[1\]/],
    ['no labels', () => model.apply(params, x, t), /3 classes and needs one-hot labels cond \[2, 3\]/],
    ['labels', () => model.apply(params, x, t, { cond: tf.zeros([2, 4]) }), /cond \[2, 3\] are needed, not \[2, 4\]/],
    [
      'masks',
      () => model.apply(params, x, t, { cond, masks: { a: x } }),
      /masks must be given for down_blocks.*not for a/,
    ],
    ['sizes', () => model.apply(params, tf.zeros([2, 8, 9, 3]), t, { cond }), /8 x 9 cannot be halved 1 times/],
    [
      'parameters',
      () => model.apply({ ...params, 'conv_in.bias': t, 'conv_out.bias': undefined as never }, x, t, { cond }),
      /conv_in.bias is \[2\], not \[8\]; conv_out.bias is missing/,
    ],
    [
      'labels for a model without classes',
      () => unet2d(tiny).apply(params, x, t, { cond }),
      /cond was given, but the model has no classes/,
    ],
  ])('with wrong %s are refused', (_, call, message) => {
    expect(call).toThrow(message);
  });

  it('take images of another size that the levels can halve', () => {
    const y = model.apply(params, tf.zeros([2, 4, 6, 3]), t, { cond });
    expect(y.shape).toEqual([2, 4, 6, 3]);
  });

  it('with masks of ones and without masks agree', () => {
    const masks = Object.fromEntries(model.dropouts.map(({ name, shape }) => [name, tf.ones([2, ...shape])]));
    expect(model.dropouts).toHaveLength(8);
    const [a, b] = [model.apply(params, x, t, { cond, masks }), model.apply(params, x, t, { cond })];
    expect(tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]).toBe(0);
  });

  it('treat each image by itself', () => {
    const both = model.apply(params, x, t, { cond });
    const second = model.apply(params, tf.slice(x, 1), tf.slice(t, 1), { cond: tf.slice(cond, 1) });
    expect(tf.slice(both, 1).dataSync()).toBeAllClose(second.dataSync(), { atol: 1e-6 });
  });
});

describe('DiT', () => {
  const small = { input_size: 8, in_channels: 1, hidden_size: 16, depth: 1, num_heads: 2 } as const;

  it('makes its position table where a call does not give it', () => {
    const model = dit(small);
    const params = weights(model);
    const fixed = { ...params, pos_embed: tf.tensor(initialize(model, 0)['pos_embed']!.data, [1, 16, 16]) };
    const { pos_embed: _, ...without } = params;
    const [x, t] = [images(model, 1), tf.tensor1d([5])];
    const [a, b, c] = [fixed, without, params].map((p) => model.apply(p, x, t).dataSync());
    expect(b).toEqual(a);
    expect(c).not.toEqual(a); // the table that was shifted by `weights` is used where it is given
  });

  it('has a null class only with label dropout, and no labels without classes', () => {
    const rows = (model: Model) => [
      model.numClasses,
      model.condDim,
      model.specs['y_embedder.embedding_table.weight']?.shape[0],
    ];
    expect(rows(dit({ ...small, num_classes: 7 }))).toEqual([7, 8, 8]);
    expect(rows(dit({ ...small, num_classes: 7, class_dropout_prob: 0 }))).toEqual([7, 7, 7]);
    expect(rows(dit(small))).toEqual([0, 0, undefined]);
  });

  it('refuses images of another size', () => {
    const model = dit(small);
    const call = () => model.apply(weights(model), tf.zeros([1, 8, 10, 1]), tf.tensor1d([0]));
    expect(call).toThrow(/images of 8 x 8, not 8 x 10/);
  });
});

describe('summary', () => {
  // Table 4 of arXiv:2212.09748 gives 6.06, 23.01, 80.71 and 118.64 Gflops, by which it means multiply-adds.
  it.each<[DiTSizeName, number]>([
    ['DiT-S/2', 6.06],
    ['DiT-B/2', 23.01],
    ['DiT-L/2', 80.71],
    ['DiT-XL/2', 118.64],
  ])('%s does %f thousand million multiply-adds', (name, giga) => {
    const { multiplyAdds } = summary(dit({ ...ditSizes[name], num_classes: 1000 }));
    expect(Math.abs(multiplyAdds / 1e9 / giga - 1)).toBeLessThan(0.01);
  });

  it('adds up', () => {
    const model = unet2d(unetPresets['cifar10-small']);
    const { modules, ...total } = summary(model);
    expect(total.parameters).toBe(6_472_195);
    for (const count of ['parameters', 'multiplyAdds', 'activations'] as const) {
      expect(modules.reduce((sum, module) => sum + module[count], 0)).toBe(total[count]);
    }
    const convIn = modules.find(({ name }) => name === 'conv_in')!;
    expect(convIn).toMatchObject({ parameters: 64 * 28, multiplyAdds: 1024 * 27 * 64, activations: 1024 * 64 });
    const lines = summaryText(model, { depth: 1 }).split('\n');
    expect(lines.at(-1)).toMatch(/^total +6,472,195 /);
    expect(lines.map((line) => line.split(' ')[0])).toContain('down_blocks');
  });
});
