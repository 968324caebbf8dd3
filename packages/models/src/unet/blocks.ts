/** The levels of the UNet: `DownBlock2D`, `UpBlock2D` and `UNetMidBlock2D` with their variants. */
import * as tf from '@tensorflow/tfjs-core';
import { upsampleNearest } from '@dm/ops';
import { child, block, type ForwardContext, type Scope } from '../scope.js';
import { conv } from '../units.js';
import { selfAttention } from './attention.js';
import { resnet, type ResnetSettings, type TimedUnit } from './resnet.js';

/** [H, W]. */
export type Size = readonly [number, number];

/** What all blocks of one UNet share. */
export interface BlockSettings {
  readonly resnet: ResnetSettings;
  readonly headDim: number | null;
}

interface LevelShape {
  /** [H, W] of the level. */
  readonly size: Size;
  readonly outChannels: number;
  /** Residual blocks. */
  readonly layers: number;
  readonly attention: boolean;
}

export const half = ([height, width]: Size): Size => [height / 2, width / 2];
const double = ([height, width]: Size): Size => [2 * height, 2 * width];

/** Attention after the residual blocks of a level. */
const levelAttention = (scope: Scope, { outChannels, size }: LevelShape, settings: BlockSettings) => {
  const { groups, epsilon } = settings.resnet;
  return selfAttention(scope, { channels: outChannels, headDim: settings.headDim, groups, epsilon, size });
};

/** One for each layer. The reference lists a block's attentions before its residual blocks. */
const levelAttentions = (scope: Scope, level: LevelShape, settings: BlockSettings) =>
  level.attention
    ? Array.from({ length: level.layers }, (_, i) =>
        levelAttention(child(child(scope, 'attentions'), i), level, settings),
      )
    : [];

// ---- down ----------------------------------------------------------------------------------------------------------

/** How a level ends: by a strided convolution with that padding, by a residual block that halves, or (the last) not. */
export type Downsample = { readonly by: 'conv'; readonly padding: number } | { readonly by: 'resnet' } | null;

/** Returns the outputs that are saved for the up path; the last of them is the next level's input. */
export type DownBlock = (ctx: ForwardContext, x: tf.Tensor, temb: tf.Tensor) => tf.Tensor[];

export function downBlock(
  scope: Scope,
  level: LevelShape & { readonly inChannels: number; readonly downsample: Downsample },
  settings: BlockSettings,
): DownBlock {
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
    const kept: tf.Tensor[] = [];
    let h = x;
    for (const [i, unit] of resnets.entries()) {
      h = unit(ctx, h, temb);
      h = attentions[i]?.(ctx, h) ?? h;
      kept.push(h);
    }
    if (downsampler !== null) kept.push(downsampler(ctx, h, temb));
    return kept;
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
    /** Of the attention's norm; null: no norm. */
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

/** How a level ends: by nearest neighbors and a convolution, by a residual block that doubles, or (the last) not. */
export type Upsample = 'conv' | 'resnet' | null;

/** Takes the outputs kept on the way down, one for each layer in the order in which they are used. */
export type UpBlock = (ctx: ForwardContext, x: tf.Tensor, kept: readonly tf.Tensor[], temb: tf.Tensor) => tf.Tensor;

export function upBlock(
  scope: Scope,
  level: LevelShape & {
    readonly inChannels: number;
    /** Channels of the kept outputs, one a layer. */
    readonly keptChannels: readonly number[];
    readonly upsample: Upsample;
  },
  settings: BlockSettings,
): UpBlock {
  const { inChannels, keptChannels, outChannels, size, upsample } = level;
  const attentions = levelAttentions(scope, level, settings);
  const resnets = keptChannels.map((kept, i) =>
    resnet(
      child(child(scope, 'resnets'), i),
      { inChannels: (i === 0 ? inChannels : outChannels) + kept, outChannels, size },
      settings.resnet,
    ),
  );
  const upsampler = upsample && upsampling(child(scope, 'upsamplers.0'), outChannels, size, upsample, settings);

  return (ctx, x, kept, temb) => {
    let h = x;
    for (const [i, unit] of resnets.entries()) {
      h = unit(ctx, tf.concat([h, kept[i]!], 3), temb);
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
