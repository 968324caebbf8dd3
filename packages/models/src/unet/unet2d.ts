import * as tf from '@tensorflow/tfjs-core';
import { silu } from '@dm/ops';
import type { Model } from '../model.js';
import { child, block, type ForwardContext, buildModel, root, type Scope } from '../scope.js';
import { timeMlp } from '../time-mlp.js';
import { conv, embedding, groupNorm, type Unit } from '../units.js';
import {
  type BlockSettings,
  type DownBlock,
  downBlock,
  type DownLevel,
  half,
  midBlock,
  type Size,
  type SkippedImage,
  type UpBlock,
  upBlock,
  type UpLevel,
} from './blocks.js';
import { checkedConfig, imageSize, type UNet2DConfig, type UNet2DOptions } from './config.js';
import type { Activation } from './resnet.js';
import { type TimeProjection, timeProjection } from './time-embedding.js';

/** The parts of a UNet that options choose. `unet2d` has more options than `basicUNet2d`. */
export interface UNetParts {
  /** Validates the configuration and fills in the defaults. */
  readonly config: (options: unknown) => UNet2DConfig;
  readonly activation: (name: UNet2DConfig['act_fn']) => Activation;
  readonly timeProjection: (scope: Scope, config: UNet2DConfig) => TimeProjection;
  /** The number of classes, and their embedding if there are any; `width` is the width of the time embedding. */
  readonly classEmbedding: (
    scope: Scope,
    config: UNet2DConfig,
    width: number,
    time: TimeProjection,
  ) => readonly [classes: number, embed?: Unit];
  readonly downBlock: (scope: Scope, level: DownLevel, settings: BlockSettings) => DownBlock;
  readonly upBlock: (scope: Scope, level: UpLevel, settings: BlockSettings) => UpBlock;
  /** Groups of the norms in the middle and at the end. */
  readonly groupsOf: (config: UNet2DConfig, channels: number) => number;
}

/** A table with one row per class. */
export const classEmbedding: UNetParts['classEmbedding'] = (scope, { num_class_embeds: classes }, width) =>
  classes === null ? [0] : [classes, embedding(scope, classes, width, 1)];

const basicParts: UNetParts = {
  config: checkedConfig,
  activation: () => silu,
  timeProjection,
  classEmbedding,
  downBlock,
  upBlock,
  groupsOf: (config) => config.norm_num_groups!,
};

/**
 * The UNet of DDPM (Ho et al. 2020, arXiv:2006.11239) with the architecture and parameter names of `UNet2DModel` of
 * diffusers, without the options that only few checkpoints use: `unet2d` has those too. Code for browsers that trains
 * is smaller with this one. `options` may be the parsed `config.json` of such a model. `apply` takes images of any size
 * that the levels can halve, not only `sample_size`.
 * @throws {ConfigError} if the configuration is invalid or not supported
 */
export const basicUNet2d = (options: UNet2DOptions): Model<UNet2DConfig> => buildUNet2d(options, basicParts);

/** A UNet of these parts; see `basicUNet2d`. */
export function buildUNet2d(options: UNet2DOptions, parts: UNetParts): Model<UNet2DConfig> {
  const config = parts.config(options);
  const { block_out_channels: channels, layers_per_block: layers, norm_eps: epsilon } = config;
  const groups = parts.groupsOf(config, channels[0]!);
  const levels = channels.length;
  const sizes: Size[] = [imageSize(config)];
  while (sizes.length < levels) sizes.push(half(sizes.at(-1)!));
  const tembWidth = config.time_embedding_dim ?? 4 * channels[0]!;
  const activation = parts.activation(config.act_fn);
  const settings: BlockSettings = {
    resnet: {
      tembWidth,
      groups,
      epsilon,
      timeScaleShift: config.resnet_time_scale_shift,
      dropout: config.dropout,
      activation,
    },
    headDim: config.attention_head_dim,
  };
  const scope = root();

  // Declare units in the order of the reference's state dict, in which the middle block follows the up blocks.
  const convIn = conv(child(scope, 'conv_in'), {
    inChannels: config.in_channels,
    outChannels: channels[0]!,
    size: sizes[0]!,
  });

  const time = parts.timeProjection(child(scope, 'time_proj'), config);
  const timeEmbedding = timeMlp(child(scope, 'time_embedding'), {
    from: time.width,
    to: tembWidth,
    names: ['linear_1', 'linear_2'],
  });
  const [classes, embedClass] = parts.classEmbedding(child(scope, 'class_embedding'), config, tembWidth, time);

  const skipChannels = [channels[0]!];
  const downBlocks = config.down_block_types.map((type, i) => {
    const outChannels = channels[i]!;
    const last = i === levels - 1;
    const attention = type.startsWith('Attn');
    const byResnet = type === 'ResnetDownsampleBlock2D' || (attention && config.downsample_type === 'resnet');
    const by = byResnet ? ({ by: 'resnet' } as const) : ({ by: 'conv', padding: config.downsample_padding } as const);
    skipChannels.push(...Array<number>(last ? layers : layers + 1).fill(outChannels));
    return parts.downBlock(
      child(child(scope, 'down_blocks'), i),
      {
        type,
        inChannels: channels[Math.max(i - 1, 0)]!,
        outChannels,
        size: sizes[i]!,
        layers,
        attention,
        downsample: last ? null : by,
      },
      settings,
    );
  });

  const upBlocks = config.up_block_types.map((type, i) => {
    const level = levels - 1 - i;
    const attention = type.startsWith('Attn');
    const byResnet = type === 'ResnetUpsampleBlock2D' || (attention && config.upsample_type === 'resnet');
    return parts.upBlock(
      child(child(scope, 'up_blocks'), i),
      {
        type,
        inChannels: channels[Math.min(level + 1, levels - 1)]!,
        skipChannels: skipChannels.splice(-(layers + 1)).toReversed(),
        outChannels: channels[level]!,
        size: sizes[level]!,
        layers: layers + 1,
        attention,
        upsample: level === 0 ? null : byResnet ? 'resnet' : 'conv',
      },
      settings,
    );
  });

  const middleGroups = parts.groupsOf(config, channels.at(-1)!);
  const groupsOfPlainMiddle = config.resnet_time_scale_shift === 'default' ? middleGroups : null;
  const middle =
    config.mid_block_type === null
      ? undefined
      : midBlock(
          child(scope, 'mid_block'),
          {
            channels: channels.at(-1)!,
            size: sizes.at(-1)!,
            scaleFactor: config.mid_block_scale_factor,
            attention: config.add_attention,
            attentionGroups: config.attn_norm_num_groups ?? groupsOfPlainMiddle,
          },
          { ...settings, resnet: { ...settings.resnet, groups: middleGroups } },
        );

  const [height, width] = sizes[0]!;
  const normOut = groupNorm(child(scope, 'conv_norm_out'), channels[0]!, {
    groups,
    epsilon,
    positions: height * width,
  });
  const convOut = conv(child(scope, 'conv_out'), {
    inChannels: channels[0]!,
    outChannels: config.out_channels,
    size: sizes[0]!,
  });

  const named = {
    convIn: block(child(scope, 'conv_in'), convIn),
    convOut: block(child(scope, 'conv_out'), (ctx: ForwardContext, h: tf.Tensor) =>
      convOut(ctx, silu(normOut(ctx, h))),
    ),
  };
  const description = {
    kind: 'UNet2DModel',
    outerModules: ['conv_in', 'time_embedding', 'class_embedding', 'conv_out'],
    inputShape: [height, width, config.in_channels] as const,
    outChannels: config.out_channels,
    numClasses: classes,
    condDim: classes,
  };
  return buildModel(scope, description, config, (ctx, x, t, cond) => {
    checkHalvable(x, levels);
    let emb = timeEmbedding(ctx, time.project(ctx, t));
    if (embedClass !== undefined) emb = tf.add(emb, embedClass(ctx, cond!));
    const temb = activation(emb);

    const image: SkippedImage = { x: config.center_input_sample ? tf.sub(tf.mul(x, 2), 1) : x };
    let h: tf.Tensor = named.convIn(ctx, image.x!);
    const skips = [h];
    for (const down of downBlocks) {
      skips.push(...down(ctx, h, temb, image));
      h = skips.at(-1)!;
    }
    h = middle?.(ctx, h, temb) ?? h;
    image.x = undefined;
    for (const up of upBlocks) h = up(ctx, h, skips.splice(-(layers + 1)).toReversed(), temb, image);
    let y = named.convOut(ctx, h);
    if (image.x !== undefined) y = tf.add(y, image.x);
    // Score models (Song et al. 2021, arXiv:2011.13456): t is a noise level, by which the reference divides the output.
    return config.time_embedding_type === 'fourier' ? tf.div(y, tf.reshape(t, [-1, 1, 1, 1])) : y;
  });
}

/** @throws {Error} if height or width cannot be halved at each level */
function checkHalvable(x: tf.Tensor, levels: number): void {
  const [, height, width] = x.shape as [number, number, number, number];
  const factor = 2 ** (levels - 1);
  if (height % factor !== 0 || width % factor !== 0) {
    throw new Error(
      `UNet2DModel: with ${levels} levels, height and width must be multiples of ${factor}, got ${height} x ${width}`,
    );
  }
}
