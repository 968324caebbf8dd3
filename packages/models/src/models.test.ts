import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from './config-error.js';
import { diffusersJson } from './diffusers-json.js';
import { dit } from './dit/dit.js';
import { ditTransformer2d } from './dit/transformer2d.js';
import { type DiTSizeName, ditSizes } from './dit/sizes.js';
import { initialize } from './initialize.js';
import { parameterLayout } from './layout.js';
import type { Model } from './model.js';
import { summary, summaryText } from './summary.js';
import { unet2dConfig } from './unet/extended.js';
import { unetPresets } from './unet/presets.js';
import { unet2d } from './unet/extended.js';
import { basicUNet2d } from './unet/unet2d.js';
import { uvitSizes } from './uvit/sizes.js';
import { uvit } from './uvit/uvit.js';

beforeAll(() => tf.setBackend('cpu'));

/** Weights without zeros, as tensors. */
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

  const unknown = { code: 'MODEL_CONFIG_UNKNOWN_FIELD' } as const;
  const otherClass = { code: 'MODEL_CONFIG_OTHER_CLASS' } as const;

  /** `contains`: the field, its limits, and its value. */
  type Refused = [config: object, contains: string[], options?: typeof unknown | typeof otherClass];
  const refused = (contains: string[], options?: { readonly code: string }) => ({
    type: ConfigError,
    code: 'MODEL_CONFIG_INVALID',
    ...options,
    contains,
  });

  const three = { in_channels: 3, out_channels: 3 };
  const deep = {
    ...three,
    block_out_channels: [8, 8, 8],
    up_block_types: ['UpBlock2D', 'UpBlock2D', 'UpBlock2D'],
  };

  it.each<Refused>([
    [{ _class_name: 'UNet2DConditionModel' }, ['"UNet2DConditionModel"'], otherClass],
    [{ blockOutChannels: [8] }, ['blockOutChannels', 'sample_size, in_channels'], unknown],
    [{ down_block_types: ['DownBlock2D', 'KDownBlock2D'] }, ['down_block_types', '"KDownBlock2D"']],
    [{ ...three, up_block_types: ['SkipUpBlock2D', 'UpBlock2D'] }, ['up_block_types', 'first skip block']],
    [{ ...deep, down_block_types: ['DownBlock2D', 'SkipDownBlock2D', 'DownBlock2D'] }, ['to a skip block']],
    [{ ...three, down_block_types: ['AttnSkipDownBlock2D', 'DownBlock2D'] }, ['block_out_channels', 'multiples of 32']],
    [{ in_channels: 1, down_block_types: ['SkipDownBlock2D', 'DownBlock2D'] }, ['in_channels 3']],
    [{ up_block_types: ['UpBlock2D'] }, ['up_block_types', '2', 'got ["UpBlock2D"]']],
    [{ sample_size: 7 }, ['sample_size', 'multiple of 2', 'got 7']],
    [{ sample_size: [8, 6, 2] }, ['sample_size', '65536', 'got [8,6,2]']],
    [{ sample_size: null }, ['sample_size', 'got null']],
    [{ norm_num_groups: 3 }, ['norm_num_groups', '(8, 8)', 'got 3']],
    [{ attention_head_dim: 16 }, ['attention_head_dim', '8', 'got 16']],
    [{ attn_norm_num_groups: 3 }, ['attn_norm_num_groups', 'null', '8', 'got 3']],
    [{ act_fn: 'elu' }, ['act_fn', '"silu", "swish", "gelu", "mish", "relu"', 'got "elu"']],
    [{ resnet_time_scale_shift: 'spatial' }, ['resnet_time_scale_shift', 'got "spatial"']],
    [{ class_embed_type: 'projection' }, ['class_embed_type', 'null', 'got "projection"']],
    [{ class_embed_type: 'timestep' }, ['num_class_embeds', 'number of classes', 'got null']],
    [{ class_embed_type: 'timestep', num_class_embeds: 3, time_embedding_type: 'fourier' }, ['class 0', 'positional']],
    [{ class_embed_type: 'identity', num_class_embeds: 1000 }, ['num_class_embeds', 'at most', 'got 1000']],
    [{ time_embedding_type: 'learned' }, ['num_train_timesteps', 'got null']],
    [{ time_embedding_type: 'learned', num_train_timesteps: 2.5 }, ['num_train_timesteps', 'got 2.5']],
    [
      { time_embedding_type: 'learned', num_train_timesteps: 4, class_embed_type: 'timestep', num_class_embeds: 5 },
      ['num_class_embeds', 'at most num_train_timesteps, 4', 'got 5'],
    ],
    [{ norm_num_groups: null }, ['norm_num_groups', 'got null']],
    [{ dropout: 1 }, ['dropout', '>= 0', '< 1', 'got 1']],
    [{ dropout: null }, ['dropout', 'got null']],
    [{ layers_per_block: 0 }, ['layers_per_block', 'from 1', 'got 0']],
    [{ layers_per_block: 1e9 }, ['layers_per_block', '1 to 64', 'got 1000000000']],
    [{ sample_size: 1e9 }, ['sample_size', '1 to 65536']],
    [{ in_channels: 1e9 }, ['in_channels', '1 to 1048576', 'got 1000000000']],
    [{ num_class_embeds: 1e9 }, ['num_class_embeds', '1 to 1048576']],
    [{ num_class_embeds: 2.5 }, ['num_class_embeds', 'null', 'got 2.5']],
    [{ add_attention: 1 }, ['add_attention', 'true or false', 'got 1']],
    [{ freq_shift: 4 }, ['freq_shift', 'got 4']],
    [{ norm_eps: 0 }, ['norm_eps', '> 0', 'got 0']],
  ])('%j is refused', (change, contains, options) => {
    expect(() => unet2dConfig({ ...tiny, ...change })).toThrowWith(refused(contains, options));
  });

  it.each<Refused>([
    [{ act_fn: 'mish' }, ['act_fn', '"silu", "swish"', 'got "mish"']],
    [{ time_embedding_type: 'learned', num_train_timesteps: 9 }, ['time_embedding_type', 'got "learned"']],
    [{ class_embed_type: 'identity' }, ['class_embed_type', 'null', 'got "identity"']],
    [{ down_block_types: ['DownBlock2D', 'SkipDownBlock2D'] }, ['down_block_types', '"SkipDownBlock2D"']],
  ])('%j is refused by the basic UNet', (change, contains) => {
    expect(() => basicUNet2d({ ...tiny, ...change })).toThrowWith(refused(contains));
  });

  it.each<Refused>([
    [{ patch_size: 3 }, ['patch_size', 'input_size, 32', 'got 3']],
    [{ hidden_size: 100, num_heads: 16 }, ['hidden_size', 'num_heads, 16', 'got 100']],
    [{ num_classes: -1 }, ['num_classes', 'got -1']],
    [{ inputSize: 32 }, ['inputSize'], unknown],
    [{ depth: 1e9 }, ['depth', '1 to 1024', 'got 1000000000']],
    [{ hidden_size: 4e9 }, ['hidden_size', 'got 4000000000']],
    [{ mlp_ratio: 1e9 }, ['mlp_ratio', '<= 1024', 'got 1000000000']],
    [{ class_dropout_prob: 1.5 }, ['class_dropout_prob', 'got 1.5']],
  ])('%j is refused by DiT', (change, contains, options) => {
    expect(() => dit(change)).toThrowWith(refused(contains, options));
  });

  it.each<Refused>([
    [{ sample_size: 9 }, ['patch_size', 'sample_size, 9', 'got 2']],
    [{ norm_type: 'layer_norm' }, ['norm_type', '"ada_norm_zero"', 'got "layer_norm"']],
    [{ dropout: 0.1 }, ['dropout', 'got 0.1']],
    [{ attention_head_dim: 3, num_attention_heads: 2 }, ['num_attention_heads', 'attention_head_dim', 'got 6']],
    [{ hidden_size: 8 }, ['hidden_size'], unknown],
    [{ num_layers: 1e9 }, ['num_layers', '1 to 1024', 'got 1000000000']],
  ])('%j is refused by DiTTransformer2DModel', (change, contains, options) => {
    expect(() => ditTransformer2d(change)).toThrowWith(refused(contains, options));
  });

  it.each<Refused>([
    [{ depth: 3 }, ['depth', 'even', 'got 3']],
    [{ img_size: 20 }, ['patch_size', 'img_size, 20', 'got 16']],
    [{ num_heads: 7 }, ['embed_dim', 'num_heads, 7', 'got 768']],
    [{ num_classes: 0 }, ['num_classes', 'got 0']],
    [{ use_checkpoint: true }, ['use_checkpoint'], unknown],
  ])('%j is refused by U-ViT', (change, contains, options) => {
    expect(() => uvit(change)).toThrowWith(refused(contains, options));
  });

  it('that are not objects are refused', () => {
    for (const config of [null, [], 'unet', 3]) {
      expect(() => unet2dConfig(config)).toThrowWith(refused(['UNet2DModel', 'JSON object']));
    }
  });
});

describe('calls', () => {
  const model = unet2d({ ...tiny, num_class_embeds: 3, dropout: 0.1 });
  const params = weights(model);
  const x = images(model, 2);
  const t = tf.tensor1d([1, 2]);
  const cond = tf.cast(tf.oneHot(tf.tensor1d([0, 2], 'int32'), 3), 'float32');

  it.each<[string, () => unknown, string[]]>([
    ['wrong channels', () => model.apply(params, tf.zeros([2, 8, 8, 4]), t, { cond }), ['x', '3]', '[2, 8, 8, 4]']],
    ['wrong timesteps', () => model.apply(params, x, tf.tensor1d([1]), { cond }), ['t must be [2]', 'got [1]']],
    ['no labels', () => model.apply(params, x, t), ['3 classes', 'cond [2, 3]']],
    ['wrong labels', () => model.apply(params, x, t, { cond: tf.zeros([2, 4]) }), ['cond', '[2, 3]', 'got [2, 4]']],
    ['unknown masks', () => model.apply(params, x, t, { cond, masks: { a: x } }), ['masks', 'down_blocks', 'got a']],
    [
      'sizes that cannot be halved',
      () => model.apply(params, tf.zeros([2, 8, 9, 3]), t, { cond }),
      ['multiples of 2', '8 x 9'],
    ],
    [
      'wrong parameters',
      () => model.apply({ ...params, 'conv_in.bias': t, 'conv_out.bias': undefined as never }, x, t, { cond }),
      ['conv_in.bias must be [8], got [2]', 'conv_out.bias is missing'],
    ],
    ['labels for a model without classes', () => unet2d(tiny).apply(params, x, t, { cond }), ['cond', 'no classes']],
  ])('with %s are refused', (_, call, contains) => {
    expect(call).toThrowWith({ type: Error, contains: ['UNet2DModel', ...contains] });
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

  it('treat images independently', () => {
    const both = model.apply(params, x, t, { cond });
    const second = model.apply(params, tf.slice(x, 1), tf.slice(t, 1), { cond: tf.slice(cond, 1) });
    expect(tf.slice(both, 1).dataSync()).toBeAllClose(second.dataSync(), { atol: 1e-6 });
  });
});

describe('DiT', () => {
  const small = { input_size: 8, in_channels: 1, hidden_size: 16, depth: 1, num_heads: 2 } as const;

  it('computes its position table if it is not given', () => {
    const model = dit(small);
    const params = weights(model);
    const fixed = { ...params, pos_embed: tf.tensor(initialize(model, 0)['pos_embed']!.data, [1, 16, 16]) };
    const { pos_embed: _, ...without } = params;
    const [x, t] = [images(model, 1), tf.tensor1d([5])];
    const [a, b, c] = [fixed, without, params].map((p) => model.apply(p, x, t).dataSync());
    expect(b).toEqual(a);
    expect(c).not.toEqual(a); // the table in `params`, which `weights` has shifted, is used
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
    expect(call).toThrowWith({ type: Error, contains: ['DiT', '8 x 8', 'got 8 x 10'] });
  });
});

describe('summary', () => {
  // Table 4 of arXiv:2212.09748 gives 6.06, 23.01, 80.71 and 118.64 Gflops, by which it means multiply-adds.
  it.each<[DiTSizeName, number]>([
    ['DiT-S/2', 6.06],
    ['DiT-B/2', 23.01],
    ['DiT-L/2', 80.71],
    ['DiT-XL/2', 118.64],
  ])('%s does %f billion multiply-adds', (name, giga) => {
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
