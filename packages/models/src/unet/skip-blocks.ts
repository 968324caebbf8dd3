/**
 * The levels of NCSN++ (Song et al. 2021, arXiv:2011.13456) in diffusers: `SkipDownBlock2D`, `AttnSkipDownBlock2D`,
 * `SkipUpBlock2D` and `AttnSkipUpBlock2D`. The image itself is resized with a filter alongside the features, enters
 * each level of the down path, and is summed over the levels of the up path.
 */
import * as tf from '@tensorflow/tfjs-core';
import { silu } from '@dm/ops';
import { ConfigError, refuse } from '../config-error.js';
import { downsample, upsample } from '../nvlabs/resample.js';
import { block, child, type Scope } from '../scope.js';
import { conv, groupNorm } from '../units.js';
import { selfAttention } from './attention.js';
import {
  type BlockSettings,
  double,
  type DownBlock,
  type DownLevel,
  half,
  type UpBlock,
  type UpLevel,
} from './blocks.js';
import type { UNet2DConfig } from './config.js';
import { resnet, type ResnetShape } from './resnet.js';

const kind = 'UNet2DModel';
/** Channels of the images, fixed in the reference. */
const imageChannels = 3;
const filter = [1, 3, 3, 1];
/** Sums of two terms of unit variance are divided by this. */
const scaleFactor = Math.SQRT2;
/** Groups of the norm before an attention. */
const attentionGroups = 32;

/** Groups of a norm: a quarter of the channels, at most 32. */
export const quarter = (channels: number): number => Math.min(Math.floor(channels / 4), 32);

/** Groups of the first norm on the up path. With attention the reference divides only the second number by four. */
const upGroups = (before: number, skip: number, attention: boolean) =>
  attention ? Math.min(before + Math.floor(skip / 4), 32) : quarter(before + skip);

export const isSkip = (type: string): boolean => type.includes('Skip');

/** @throws {ConfigError} if skip blocks cannot be combined as in the configuration */
export function checkSkipBlocks(config: UNet2DConfig): void {
  const { down_block_types: down, up_block_types: up, block_out_channels: channels } = config;
  const last = channels.length - 1;
  if (![...down, ...up].some(isSkip)) return;
  if (config.in_channels !== imageChannels || (up.some(isSkip) && config.out_channels !== imageChannels)) {
    throw new ConfigError(`${kind}: skip blocks need in_channels 3 and out_channels 3, as in diffusers`);
  }
  // The image must be resized at each level. The last level of each path does not resize, so its type is free.
  if (down.slice(0, last).some((type, i) => isSkip(type) && !down.slice(0, i).every(isSkip))) {
    throw refuse(kind, 'down_block_types', down, 'skip blocks up to a skip block');
  }
  if (up.slice(0, last).some((type, i) => isSkip(type) && !up.slice(i).every(isSkip))) {
    throw refuse(kind, 'up_block_types', up, 'skip blocks from the first skip block on');
  }
  for (const [i, c] of channels.entries()) {
    const types = [down[i]!, up[last - i]!].filter(isSkip);
    const groups = types.some((type) => type.startsWith('Attn')) ? attentionGroups : 1;
    if (types.length > 0 && (c < 4 || c % quarter(c) !== 0 || c % groups !== 0)) {
      const right = `multiples of 32 (with attention) or of their quarter, at most 32, at levels with skip blocks`;
      throw refuse(kind, 'block_out_channels', channels, right);
    }
  }
}

/** A residual block of `inChannels`. The groups of its norms do not depend on the configuration. */
function residual(
  scope: Scope,
  shape: Omit<ResnetShape, 'scaleFactor'>,
  settings: BlockSettings,
  groups = quarter(shape.inChannels),
) {
  const normGroups = [groups, quarter(shape.outChannels)] as const;
  if (shape.inChannels % groups !== 0) {
    throw new ConfigError(
      `${kind}: block_out_channels: a skip block has ${shape.inChannels} input channels, which ${groups} groups do not divide`,
    );
  }
  return resnet(scope, { ...shape, normGroups, scaleFactor }, settings.resnet);
}

const attention = (scope: Scope, { outChannels: channels, size }: DownLevel | UpLevel, settings: BlockSettings) =>
  selfAttention(scope, {
    channels,
    headDim: settings.headDim,
    groups: attentionGroups,
    epsilon: settings.resnet.epsilon,
    size,
    scaleFactor,
  });

export function skipDownBlock(scope: Scope, level: DownLevel, settings: BlockSettings): DownBlock {
  const { inChannels, outChannels, size, layers } = level;
  const attentions = level.attention
    ? Array.from({ length: layers }, (_, i) => attention(child(child(scope, 'attentions'), i), level, settings))
    : [];
  const resnets = Array.from({ length: layers }, (_, i) =>
    residual(
      child(child(scope, 'resnets'), i),
      { inChannels: i === 0 ? inChannels : outChannels, outChannels, size },
      settings,
    ),
  );
  const down =
    level.downsample &&
    residual(
      child(scope, 'resnet_down'),
      {
        inChannels: outChannels,
        outChannels,
        size: half(size),
        resize: 'down',
        resample: (x) => downsample(x, filter),
      },
      settings,
    );
  const skipScope = child(scope, 'skip_conv');
  const skipConv =
    down && block(skipScope, conv(skipScope, { inChannels: imageChannels, outChannels, kernel: 1, size: half(size) }));

  return (ctx, x, temb, image) => {
    const outputs: tf.Tensor[] = [];
    let h = x;
    for (const [i, unit] of resnets.entries()) {
      h = unit(ctx, h, temb);
      h = attentions[i]?.(ctx, h) ?? h;
      outputs.push(h);
    }
    if (down !== null) {
      image.x = downsample(image.x!, filter);
      outputs.push(tf.add(skipConv!(ctx, image.x), down(ctx, h, temb)));
    }
    return outputs;
  };
}

export function skipUpBlock(scope: Scope, level: UpLevel, settings: BlockSettings): UpBlock {
  const { inChannels, skipChannels, outChannels, size } = level;
  // One attention after all residual blocks.
  const attend = level.attention ? attention(child(scope, 'attentions.0'), level, settings) : undefined;
  const resnets = skipChannels.map((channels, i) => {
    const before = i === 0 ? inChannels : outChannels;
    const shape = { inChannels: before + channels, outChannels, size };
    const groups = upGroups(before, channels, level.attention);
    return residual(child(child(scope, 'resnets'), i), shape, settings, groups);
  });
  const up =
    level.upsample &&
    residual(
      child(scope, 'resnet_up'),
      {
        inChannels: outChannels,
        outChannels,
        size: double(size),
        resize: 'up',
        resample: (x) => upsample(x, filter),
      },
      settings,
    );
  const toImage = up && imageOutput(scope, outChannels, size, settings.resnet.epsilon);

  return (ctx, x, skips, temb, image) => {
    let h = x;
    for (const [i, unit] of resnets.entries()) h = unit(ctx, tf.concat([h, skips[i]!], 3), temb);
    h = attend?.(ctx, h) ?? h;
    const before = image.x && upsample(image.x, filter);
    if (up === null) {
      image.x = before;
      return h;
    }
    const own = toImage!(ctx, h);
    image.x = before === undefined ? own : tf.add(before, own);
    return up(ctx, h, temb);
  };
}

/** Norm, SiLU (whatever `act_fn`) and a convolution to the image. */
function imageOutput(scope: Scope, channels: number, size: readonly [number, number], epsilon: number) {
  const skipScope = child(scope, 'skip_conv');
  const skipConv = conv(skipScope, { inChannels: channels, outChannels: imageChannels, size });
  const norm = groupNorm(child(scope, 'skip_norm'), channels, {
    groups: quarter(channels),
    epsilon,
    positions: size[0] * size[1],
  });
  return block<[tf.Tensor], tf.Tensor>(skipScope, (ctx, h) => skipConv(ctx, silu(norm(ctx, h))));
}
