import * as tf from '@tensorflow/tfjs-core';
import { attention as attend, conv2d } from '@dm/ops';
import type { Model } from '../model.js';
import {
  block,
  buildModel,
  child,
  declare,
  declareCost,
  declareDropout,
  type ForwardContext,
  recomputable,
  root,
  type Scope,
} from '../scope.js';
import { edm2UNetConfig, type Edm2UNetConfig, type Edm2UNetOptions } from './edm2-unet-config.js';
import { mpConcat, mpSilu, mpSum, normalize } from './magnitude.js';
import { weightNormalization } from './normalize-weights.js';
import { downsample, upsample } from './resample.js';

/** A layer with an optional gain, a scalar. */
type GainUnit = (ctx: ForwardContext, x: tf.Tensor, gain?: tf.Tensor) => tf.Tensor;

/** `MPConv`: a layer without bias whose weights have unit magnitude per output (Eq. 47). kernel 0: a linear layer. */
function mpConv(scope: Scope, inChannels: number, outChannels: number, kernel: number, side = 1): GainUnit {
  const isLinear = kernel === 0;
  const shape = isLinear ? [inChannels, outChannels] : [kernel, kernel, inChannels, outChannels];
  const weight = declare(scope, 'weight', {
    kind: isLinear ? 'linear' : 'conv',
    shape,
    init: { kind: 'normal', std: 1 },
    normalized: true,
  });
  const fanIn = inChannels * (isLinear ? 1 : kernel * kernel);
  const outputs = side * side * outChannels;
  declareCost(scope, { kind: isLinear ? 'linear' : 'conv', multiplyAdds: outputs * fanIn, outputs });
  const axes = shape.slice(0, -1).map((_, axis) => axis);
  return (ctx, x, gain) => {
    const unit = normalize(weight(ctx), axes);
    const root2 = 1 / Math.sqrt(fanIn);
    const w = tf.mul(unit, gain === undefined ? root2 : tf.mul(gain, root2));
    return isLinear ? tf.matMul(x, w) : conv2d(x, w);
  };
}

interface BlockShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly embChannels: number;
  /** Side of the output. */
  readonly side: number;
  readonly flavor: 'enc' | 'dec';
  readonly resize?: 'up' | 'down';
  readonly attention?: boolean;
}

/** A unit with the embedding of noise and class, [N, emb]. */
type Block = (ctx: ForwardContext, x: tf.Tensor, emb: tf.Tensor) => tf.Tensor;

/** `Block` of NVlabs/edm2 (Fig. 21). */
function mpBlock(scope: Scope, shape: BlockShape, config: Edm2UNetConfig): Block {
  const { inChannels, outChannels, embChannels, side, flavor, resize, attention = false } = shape;
  const { resample_filter: filter, clip_act: clip, res_balance, dropout } = config;
  const isEncoder = flavor === 'enc';
  const embGain = declare(scope, 'emb_gain', { kind: 'vector', shape: [], init: { kind: 'zeros' } });
  const layer = (name: string, from: number, to: number, kernel: number) =>
    mpConv(child(scope, name), from, to, kernel, kernel === 0 ? 1 : side);
  const convRes0 = layer('conv_res0', isEncoder ? outChannels : inChannels, outChannels, 3);
  const embLinear = layer('emb_linear', embChannels, outChannels, 0);
  const mask = declareDropout(child(scope, 'dropout'), [side, side, outChannels], dropout);
  const convRes1 = layer('conv_res1', outChannels, outChannels, 3);
  const convSkip = inChannels === outChannels ? undefined : layer('conv_skip', inChannels, outChannels, 1);
  const attended = attention ? mpAttention(scope, outChannels, side, config) : undefined;

  return recomputable(scope, (ctx, input, emb) => {
    let x = resize === undefined ? input : (resize === 'up' ? upsample : downsample)(input, filter);
    if (isEncoder) {
      if (convSkip !== undefined) x = convSkip(ctx, x);
      x = normalize(x, [3]);
    }
    let y = convRes0(ctx, mpSilu(x));
    const c = tf.add(embLinear(ctx, emb, embGain(ctx)), 1);
    y = mpSilu(tf.mul(y, tf.reshape(c, [-1, 1, 1, outChannels])));
    const keep = mask(ctx);
    y = convRes1(ctx, keep === undefined ? y : tf.mul(y, keep));
    if (!isEncoder && convSkip !== undefined) x = convSkip(ctx, x);
    x = mpSum(x, y, res_balance);
    if (attended !== undefined) x = attended(ctx, x);
    return clip === null ? x : tf.clipByValue(x, -clip, clip);
  });
}

/** Attention of vectors of unit magnitude. The channels of each head alternate: q, k, v. */
function mpAttention(
  scope: Scope,
  channels: number,
  side: number,
  { channels_per_head: width, attn_balance }: Edm2UNetConfig,
): (ctx: ForwardContext, x: tf.Tensor) => tf.Tensor {
  const heads = channels / width;
  const tokens = side * side;
  const qkv = mpConv(child(scope, 'attn_qkv'), channels, 3 * channels, 1, side);
  const proj = mpConv(child(scope, 'attn_proj'), channels, channels, 1, side);
  declareCost(scope, { kind: 'attention', multiplyAdds: 2 * tokens * tokens * channels, outputs: tokens * channels });
  return (ctx, x) => {
    const [n] = x.shape as [number];
    const all = tf.reshape(qkv(ctx, x), [n * tokens, heads, width, 3]);
    const perHead = normalize(all, [2]);
    const [q, k, v] = tf
      .split(perHead, 3, 3)
      .map((part) => tf.transpose(tf.reshape(part, [n, tokens, heads, width]), [0, 2, 1, 3])) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const mixed = tf.reshape(tf.transpose(attend(q, k, v), [0, 2, 1, 3]), x.shape);
    return mpSum(x, proj(ctx, mixed), attn_balance);
  };
}

/**
 * The magnitude-preserving network of EDM2 (Karras et al. 2024, arXiv:2312.02696; configuration G), `UNet` of
 * NVlabs/edm2, with the parameter names of its state dict. t is the noise label ln(sigma) / 4. Weights are scaled to unit
 * magnitude in the forward pass; training must in addition replace them by scaled ones before each step
 * (`Model.normalization`). At its initialization the output is 0. Images are square, of `img_resolution`.
 * @throws {ConfigError} if the configuration is invalid or not supported
 */
export function edm2UNet(options: Edm2UNetOptions): Model<Edm2UNetConfig> {
  const config = edm2UNetConfig(options);
  const { img_resolution: resolution, img_channels, label_dim, model_channels, num_blocks, concat_balance } = config;
  const widths = config.channel_mult.map((mult) => mult * model_channels);
  const noiseChannels = config.channel_mult_noise === null ? widths[0]! : model_channels * config.channel_mult_noise;
  const embChannels =
    config.channel_mult_emb === null
      ? widths.reduce((most, width) => Math.max(most, width))
      : model_channels * config.channel_mult_emb;
  const scope = root();

  const outGain = declare(scope, 'out_gain', { kind: 'vector', shape: [], init: { kind: 'zeros' } });
  const fourier = child(scope, 'emb_fourier');
  const buffer = { kind: 'vector', shape: [noiseChannels], trainable: false } as const;
  const freqs = declare(fourier, 'freqs', { ...buffer, init: { kind: 'normal', std: 2 * Math.PI } });
  // The reference's phases are uniform on [0, 2 pi): the same cosines.
  const phases = declare(fourier, 'phases', { ...buffer, init: { kind: 'uniform', bound: Math.PI } });
  const embNoise = mpConv(child(scope, 'emb_noise'), noiseChannels, embChannels, 0);
  const embLabel = label_dim > 0 ? mpConv(child(scope, 'emb_label'), label_dim, embChannels, 0) : undefined;

  const encoder = child(scope, 'enc');
  const decoder = child(scope, 'dec');
  const named = (of: Scope, side: number, name: string) => child(of, `${side}x${side}_${name}`);
  const sideOf = (level: number) => resolution / 2 ** level;
  const hasAttention = (side: number) => config.attn_resolutions.includes(side);
  const unitOf = (of: Scope, shape: Omit<BlockShape, 'embChannels'>) => mpBlock(of, { ...shape, embChannels }, config);

  const firstScope = named(encoder, resolution, 'conv');
  const first = block(firstScope, mpConv(firstScope, img_channels + 1, widths[0]!, 3, resolution));
  const down: Block[] = [];
  const skipChannels = [widths[0]!];
  let channels = widths[0]!;
  for (const [level, width] of widths.entries()) {
    const side = sideOf(level);
    if (level > 0) {
      const shape = { inChannels: channels, outChannels: channels, side, flavor: 'enc', resize: 'down' } as const;
      down.push(unitOf(named(encoder, side, 'down'), shape));
      skipChannels.push(channels);
    }
    for (let i = 0; i < num_blocks; i++) {
      const shape = { inChannels: channels, outChannels: width, side, flavor: 'enc' } as const;
      down.push(unitOf(named(encoder, side, `block${i}`), { ...shape, attention: hasAttention(side) }));
      channels = width;
      skipChannels.push(channels);
    }
  }

  const up: { readonly unit: Block; readonly takesSkip: boolean }[] = [];
  for (const [level, width] of [...widths.entries()].toReversed()) {
    const side = sideOf(level);
    const same = { inChannels: channels, outChannels: channels, side, flavor: 'dec' } as const;
    if (level === widths.length - 1) {
      up.push({ unit: unitOf(named(decoder, side, 'in0'), { ...same, attention: true }), takesSkip: false });
      up.push({ unit: unitOf(named(decoder, side, 'in1'), same), takesSkip: false });
    } else {
      up.push({ unit: unitOf(named(decoder, side, 'up'), { ...same, resize: 'up' }), takesSkip: false });
    }
    for (let i = 0; i <= num_blocks; i++) {
      const shape = { inChannels: channels + skipChannels.pop()!, outChannels: width, side, flavor: 'dec' } as const;
      up.push({
        unit: unitOf(named(decoder, side, `block${i}`), { ...shape, attention: hasAttention(side) }),
        takesSkip: true,
      });
      channels = width;
    }
  }
  const outScope = child(scope, 'out_conv');
  const outConv = mpConv(outScope, channels, img_channels, 3, resolution);
  const out = block(outScope, (ctx: ForwardContext, x: tf.Tensor) => outConv(ctx, x, outGain(ctx)));

  const embed = (ctx: ForwardContext, t: tf.Tensor, cond: tf.Tensor | undefined): tf.Tensor => {
    const angles = tf.add(tf.mul(tf.reshape(t, [-1, 1]), tf.reshape(freqs(ctx), [1, -1])), phases(ctx));
    const emb = embNoise(ctx, tf.mul(tf.cos(angles), Math.SQRT2));
    if (embLabel === undefined) return mpSilu(emb);
    return mpSilu(mpSum(emb, embLabel(ctx, tf.mul(cond!, Math.sqrt(label_dim))), config.label_balance));
  };
  const description = {
    kind: 'EDM2UNet',
    outerModules: [`enc.${resolution}x${resolution}_conv`, 'emb_noise', 'emb_label', 'out_conv'],
    inputShape: [resolution, resolution, img_channels] as const,
    outChannels: img_channels,
    numClasses: label_dim,
    condDim: label_dim,
    normalization: weightNormalization(scope.declared.specs),
  };
  return buildModel(scope, description, config, (ctx, x, t, cond) => {
    if (x.shape[1] !== resolution || x.shape[2] !== resolution) {
      throw new RangeError(
        `EDM2UNet: x must be [N, ${resolution}, ${resolution}, ${img_channels}], got [${x.shape.join(', ')}]`,
      );
    }
    const emb = embed(ctx, t, cond);
    // A channel of ones, in place of biases.
    let h = first(ctx, tf.concat([x, tf.ones([x.shape[0], resolution, resolution, 1])], 3));
    const skips = [h];
    for (const unit of down) {
      h = unit(ctx, h, emb);
      skips.push(h);
    }
    for (const { unit, takesSkip } of up) {
      h = unit(ctx, takesSkip ? mpConcat(h, skips.pop()!, concat_balance) : h, emb);
    }
    return out(ctx, h);
  });
}
