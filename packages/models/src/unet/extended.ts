/** Options of `UNet2DModel` that few checkpoints use, and that code for browsers that trains does not contain. */
import * as tf from '@tensorflow/tfjs-core';
import { gelu, silu } from '@dm/ops';
import { ConfigError, refuse } from '../config-error.js';
import type { Model } from '../model.js';
import type { Scope } from '../scope.js';
import { timeMlp } from '../time-mlp.js';
import { embedding, type Unit } from '../units.js';
import { downBlock, upBlock } from './blocks.js';
import { checkedConfig, type UNet2DConfig, type UNet2DOptions } from './config.js';
import type { Activation } from './resnet.js';
import { checkSkipBlocks, isSkip, quarter, skipDownBlock, skipUpBlock } from './skip-blocks.js';
import { type TimeProjection, timeProjection } from './time-embedding.js';
import { buildUNet2d, classEmbedding, type UNetParts } from './unet2d.js';

const kind = 'UNet2DModel';

/** Mish, Misra 2019, arXiv:1908.08681: x tanh(softplus(x)), which equals x s (1 + r) / (1 + r²) with s = 1 - r. */
function mish(x: tf.Tensor): tf.Tensor {
  // In sigmoids, since softplus overflows and 1 - r² cancels.
  const s = tf.sigmoid(x);
  const r = tf.sigmoid(tf.neg(x));
  return tf.div(tf.mul(tf.mul(x, s), tf.add(r, 1)), tf.add(tf.mul(r, r), 1));
}

const activations: Readonly<Record<UNet2DConfig['act_fn'], Activation>> = {
  silu,
  swish: silu,
  gelu: (x) => gelu(x),
  mish,
  relu: (x) => tf.relu(x),
};

const choices = {
  down_block_types: [
    'DownBlock2D',
    'AttnDownBlock2D',
    'ResnetDownsampleBlock2D',
    'SkipDownBlock2D',
    'AttnSkipDownBlock2D',
  ],
  up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'ResnetUpsampleBlock2D', 'SkipUpBlock2D', 'AttnSkipUpBlock2D'],
  time_embedding_type: ['positional', 'fourier', 'learned'],
  act_fn: Object.keys(activations),
  class_embed_type: [null, 'timestep', 'identity'],
};

/** Most rows of the learned time embedding, as of `num_class_embeds`. */
const mostTimesteps = 2 ** 20;

const hasNoGroups = (options: unknown) => (options as { norm_num_groups?: unknown } | null)?.norm_num_groups === null;

/** One group, which divides all widths, instead of null, which the other checks do not know. */
const withGroups = (options: unknown) =>
  hasNoGroups(options) ? { ...(options as object), norm_num_groups: 1 } : options;

/**
 * Validates a configuration of `unet2d` and fills in the defaults of diffusers.
 * @throws {ConfigError} if a field is unknown, the configuration is for another class, a value is not supported, or
 *   fields are inconsistent
 */
export function unet2dConfig(options: unknown): UNet2DConfig {
  const config = {
    ...checkedConfig(withGroups(options), choices),
    ...(hasNoGroups(options) && { norm_num_groups: null }),
  };
  if (config.norm_num_groups === null && ![...config.down_block_types, ...config.up_block_types].every(isSkip)) {
    throw refuse(kind, 'norm_num_groups', null, 'an integer, except if all blocks are skip blocks');
  }
  const { time_embedding_type: time, num_train_timesteps: timesteps, class_embed_type: type } = config;
  const isCount = Number.isInteger(timesteps) && timesteps! >= 1 && timesteps! <= mostTimesteps;
  if (time === 'learned' && !isCount) {
    const right = `an integer from 1 to ${mostTimesteps} with time_embedding_type "learned"`;
    throw refuse(kind, 'num_train_timesteps', timesteps, right);
  }
  const { num_class_embeds: classes } = config;
  if (type === 'timestep' && classes === null) {
    throw refuse(kind, 'num_class_embeds', classes, 'the number of classes with class_embed_type "timestep"');
  }
  if (type === 'timestep' && time === 'fourier') {
    throw new ConfigError(
      `${kind}: class_embed_type "timestep" needs time_embedding_type "positional" or "learned": "fourier" takes the ` +
        'logarithm, and class 0 has none',
    );
  }
  if (type === 'timestep' && time === 'learned' && classes! > timesteps!) {
    throw refuse(kind, 'num_class_embeds', classes, `at most num_train_timesteps, ${timesteps}, rows of the table`);
  }
  const width = config.time_embedding_dim ?? 4 * config.block_out_channels[0]!;
  if (type === 'identity' && classes !== null && classes > width) {
    throw refuse(kind, 'num_class_embeds', classes, `at most ${width}, the width of the time embedding`);
  }
  checkSkipBlocks(config);
  return config;
}

/** Weights of the rows of a table for each t: [N] → [N, rows]. One-hot for integers, linear between two rows. */
const rowsOf = (t: tf.Tensor, rows: number) =>
  tf.relu(tf.sub(1, tf.abs(tf.sub(tf.reshape(t, [-1, 1]), tf.range(0, rows)))));

/** `nn.Embedding` of the timestep. The reference accepts only integers. */
function learnedTime(scope: Scope, config: UNet2DConfig): TimeProjection {
  const rows = config.num_train_timesteps!;
  const width = config.block_out_channels[0]!;
  const table = embedding(scope, rows, width, 1);
  return { width, project: (ctx, t) => table(ctx, rowsOf(t, rows)) };
}

/** `TimestepEmbedding` of the class's number, which is one-hot here. */
function numberEmbedding(scope: Scope, classes: number, time: TimeProjection, width: number): Unit {
  const mlp = timeMlp(scope, { from: time.width, to: width, names: ['linear_1', 'linear_2'] });
  return (ctx, oneHot) => mlp(ctx, time.project(ctx, tf.sum(tf.mul(oneHot, tf.range(0, classes)), 1)));
}

/** Labels as vectors, padded with zeros to the width of the time embedding. */
const paddedLabels =
  (classes: number, width: number): Unit =>
  (_ctx, oneHot) =>
    tf.pad(oneHot, [
      [0, 0],
      [0, width - classes],
    ]);

const parts: UNetParts = {
  config: unet2dConfig,
  activation: (name) => activations[name],
  timeProjection: (scope, config) =>
    config.time_embedding_type === 'learned' ? learnedTime(scope, config) : timeProjection(scope, config),
  classEmbedding(scope, config, width, time) {
    const { class_embed_type: type } = config;
    if (type === null) return classEmbedding(scope, config, width, time);
    const classes = config.num_class_embeds ?? width;
    const isNumber = type === 'timestep';
    return [classes, isNumber ? numberEmbedding(scope, classes, time, width) : paddedLabels(classes, width)];
  },
  downBlock: (scope, level, settings) => (isSkip(level.type) ? skipDownBlock : downBlock)(scope, level, settings),
  upBlock: (scope, level, settings) => (isSkip(level.type) ? skipUpBlock : upBlock)(scope, level, settings),
  groupsOf: (config, channels) => config.norm_num_groups ?? quarter(channels),
};

/**
 * The UNet of DDPM (Ho et al. 2020, arXiv:2006.11239) with the architecture and parameter names of `UNet2DModel` of
 * diffusers. `options` may be the parsed `config.json` of such a model. `apply` takes images of any size that the
 * levels can halve, not only `sample_size`.
 * @throws {ConfigError} if the configuration is invalid or not supported
 */
export const unet2d = (options: UNet2DOptions): Model<UNet2DConfig> => buildUNet2d(options, parts);
