/** The levels of the UNet: `DownBlock2D`, `UpBlock2D` and `UNetMidBlock2D` with their variants. */
import * as tf from '@tensorflow/tfjs-core';
import { upsampleNearest } from '@dm/ops';
import { child, block, type ForwardContext, type Scope } from '../scope.js';
import { conv } from '../units.js';
import { selfAttention } from './attention.js';
import { resnet, type ResnetSettings, type TimedUnit } from './resnet.js';

/** Image size, [H, W]. */
export type Size = readonly [number, number];

/** The image that skip blocks pass on at each resolution; undefined before the first block of the up path. */
export interface SkippedImage {
  x: tf.Tensor | undefined;
}

/** Settings shared by all blocks of a UNet. */
export interface BlockSettings {
  readonly resnet: ResnetSettings;
  readonly headDim: number | null;
}

export interface LevelShape {
  /** [H, W] of the level. */
  readonly size: Size;
  /** Name of the block in diffusers. */
  readonly type: string;
  readonly outChannels: number;
  /** Number of residual blocks. */
  readonly layers: number;
  readonly attention: boolean;
}

export const half = ([height, width]: Size): Size => [height / 2, width / 2];
export const double = ([height, width]: Size): Size => [2 * height, 2 * width];

/** An attention layer after a residual block. */
const levelAttention = (scope: Scope, { outChannels, size }: LevelShape, settings: BlockSettings) => {
  const { groups, epsilon } = settings.resnet;
  return selfAttention(scope, { channels: outChannels, headDim: settings.headDim, groups, epsilon, size });
};

/** One attention layer per residual block. In the reference's state dict, attentions come before residual blocks. */
const levelAttentions = (scope: Scope, level: LevelShape, settings: BlockSettings) =>
  level.attention
    ? Array.from({ length: level.layers }, (_, i) =>
        levelAttention(child(child(scope, 'attentions'), i), level, settings),
      )
    : [];

// ---- down ----------------------------------------------------------------------------------------------------------

/** Downsampling at the end of a level: a strided convolution, a residual block, or (at the last level) none. */
export type Downsample = { readonly by: 'conv'; readonly padding: number } | { readonly by: 'resnet' } | null;

/** Returns the outputs for the skip connections. The last one is the input of the next level. */
export type DownBlock = (ctx: ForwardContext, x: tf.Tensor, temb: tf.Tensor, image: SkippedImage) => tf.Tensor[];

export type DownLevel = LevelShape & { readonly inChannels: number; readonly downsample: Downsample };

export function downBlock(scope: Scope, level: DownLevel, settings: BlockSettings): DownBlock {
  const { inChannels, outChannels, size, layers, downsample } = level;
  const attentions = levelAttentions(scope, level, settings);
  const resnets = Array.from({ length: layers }, (_, i) =>
    resnet(
      child(child(scope, 'resnets'), i),
      { inChannels: i === 0 ? inChannels : outChannels, outChannels, size },
      settings.resnet,
    ),
  );
  const downsampler =
    downsample && downsampling(child(scope, 'downsamplers.0'), outChannels, size, downsample, settings);

  return (ctx, x, temb) => {
    const outputs: tf.Tensor[] = [];
    let h = x;
    for (const [i, unit] of resnets.entries()) {
      h = unit(ctx, h, temb);
      h = attentions[i]?.(ctx, h) ?? h;
      outputs.push(h);
    }
    if (downsampler !== null) outputs.push(downsampler(ctx, h, temb));
    return outputs;
  };
}

function downsampling(
  scope: Scope,
  channels: number,
  size: Size,
  how: NonNullable<Downsample>,
  settings: BlockSettings,
): TimedUnit {
  const shape = { inChannels: channels, outChannels: channels, size: half(size) };
  if (how.by === 'resnet') return resnet(scope, { ...shape, resize: 'down' }, settings.resnet);
  const pad =
    how.padding === 0
      ? ([
          [0, 1],
          [0, 1],
        ] as const)
      : how.padding;
  return block(scope, conv(child(scope, 'conv'), shape, { strides: 2, pad }));
}

// ---- middle --------------------------------------------------------------------------------------------------------

/** Residual block, attention, residual block. */
export function midBlock(
  scope: Scope,
  shape: {
    readonly channels: number;
    readonly size: Size;
    readonly scaleFactor: number;
    readonly attention: boolean;
    /** Groups of the group norm before the attention; null: no norm. */
    readonly attentionGroups: number | null;
  },
  settings: BlockSettings,
): TimedUnit {
  const { channels, size, scaleFactor, attentionGroups: groups } = shape;
  const { headDim, resnet: resnetSettings } = settings;
  const attention = shape.attention
    ? selfAttention(child(scope, 'attentions.0'), {
        channels,
        headDim,
        groups,
        epsilon: resnetSettings.epsilon,
        size,
        scaleFactor,
      })
    : undefined;
  const residual = (i: number) =>
    resnet(
      child(child(scope, 'resnets'), i),
      { inChannels: channels, outChannels: channels, size, scaleFactor },
      resnetSettings,
    );
  const [first, second] = [residual(0), residual(1)];
  return (ctx, x, temb) => {
    const h = first(ctx, x, temb);
    return second(ctx, attention?.(ctx, h) ?? h, temb);
  };
}

// ---- up ------------------------------------------------------------------------------------------------------------

/**
 * Upsampling at the end of a level: nearest neighbor and a convolution, a residual block, or (at the last level) none.
 */
export type Upsample = 'conv' | 'resnet' | null;

/** `skips` are outputs of the down path, one per residual block, in the order of their use. */
export type UpBlock = (
  ctx: ForwardContext,
  x: tf.Tensor,
  skips: readonly tf.Tensor[],
  temb: tf.Tensor,
  image: SkippedImage,
) => tf.Tensor;

export type UpLevel = LevelShape & {
  readonly inChannels: number;
  /** Channels of the skip connections, one per residual block. */
  readonly skipChannels: readonly number[];
  readonly upsample: Upsample;
};

export function upBlock(scope: Scope, level: UpLevel, settings: BlockSettings): UpBlock {
  const { inChannels, skipChannels, outChannels, size, upsample } = level;
  const attentions = levelAttentions(scope, level, settings);
  const resnets = skipChannels.map((channels, i) =>
    resnet(
      child(child(scope, 'resnets'), i),
      { inChannels: (i === 0 ? inChannels : outChannels) + channels, outChannels, size },
      settings.resnet,
    ),
  );
  const upsampler = upsample && upsampling(child(scope, 'upsamplers.0'), outChannels, size, upsample, settings);

  return (ctx, x, skips, temb) => {
    let h = x;
    for (const [i, unit] of resnets.entries()) {
      h = unit(ctx, tf.concat([h, skips[i]!], 3), temb);
      h = attentions[i]?.(ctx, h) ?? h;
    }
    return upsampler === null ? h : upsampler(ctx, h, temb);
  };
}

function upsampling(
  scope: Scope,
  channels: number,
  size: Size,
  by: NonNullable<Upsample>,
  settings: BlockSettings,
): TimedUnit {
  const shape = { inChannels: channels, outChannels: channels, size: double(size) };
  if (by === 'resnet') return resnet(scope, { ...shape, resize: 'up' }, settings.resnet);
  const after = conv(child(scope, 'conv'), shape);
  return block(scope, (ctx, x) => after(ctx, upsampleNearest(x)));
}
