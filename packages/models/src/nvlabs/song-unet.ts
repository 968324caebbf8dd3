import * as tf from '@tensorflow/tfjs-core';
import { attention as attend, conv2d, silu } from '@dm/ops';
import type { Init, Model } from '../model.js';
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
import { sinusoid } from '../sinusoid.js';
import { groupNorm, type LayerInit, linear, type Unit } from '../units.js';
import { downsample, filterTable, upsample } from './resample.js';
import { groupsOf, songUNetConfig, type SongUNetConfig, type SongUNetOptions } from './song-unet-config.js';

/** Factor of residual sums, which keeps the variance of two independent terms. */
const skipScale = Math.SQRT1_2;
const epsilon = 1e-6;

/** `xavier_uniform_` times `factor`, with zero bias. */
const scaledXavier =
  (factor: number): LayerInit =>
  (fanIn, fanOut) => ({
    weight: { kind: 'uniform', bound: factor * Math.sqrt(6 / (fanIn + fanOut)) },
    bias: { kind: 'zeros' },
  });
const init = scaledXavier(1);
const nearZeroInit = scaledXavier(1e-5);
const attentionInit = scaledXavier(Math.sqrt(0.2));

interface ConvShape {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the kernel; 0 for resampling alone, without parameters. */
  readonly kernel: number;
  /** Side of the output. */
  readonly side: number;
  readonly resize?: 'up' | 'down' | undefined;
  /** The filter follows the convolution, and both are padded before it (`fused_resample`). Only for `down`. */
  readonly isFused?: boolean;
  readonly filter?: readonly number[];
  readonly init?: LayerInit;
}

/** `Conv2d` of NVlabs/edm: a convolution after up- or downsampling. */
function conv(scope: Scope, shape: ConvShape): Unit {
  const { inChannels, outChannels, kernel, side, resize, isFused = false, filter = [1, 1] } = shape;
  const area = kernel * kernel;
  const start = (shape.init ?? init)(inChannels * area, outChannels * area);
  const spec = { kind: 'conv', shape: [kernel, kernel, inChannels, outChannels], init: start.weight } as const;
  const weight = kernel > 0 ? declare(scope, 'weight', spec) : undefined;
  const bias =
    kernel > 0 ? declare(scope, 'bias', { kind: 'vector', shape: [outChannels], init: start.bias }) : undefined;
  if (resize !== undefined) declareFilter(scope, filter);
  if (kernel > 0) {
    const outputs = side * side * outChannels;
    declareCost(scope, { kind: 'conv', multiplyAdds: outputs * inChannels * area, outputs });
  }
  const resized: Unit =
    resize === undefined
      ? (_, x) => x
      : resize === 'up'
        ? (_, x) => upsample(x, filter)
        : (_, x) => downsample(x, filter);
  if (weight === undefined || bias === undefined) return resized;
  if (isFused) {
    const pad = (kernel - 1) / 2 + (filter.length - 2) / 2;
    return (ctx, x) => tf.add(downsample(conv2d(x, weight(ctx), { pad }), filter, 0), bias(ctx));
  }
  return (ctx, x) => conv2d(resized(ctx, x), weight(ctx), { bias: bias(ctx) });
}

/** The filter is a buffer of the state dict. The network uses the one of the configuration. */
function declareFilter(scope: Scope, filter: readonly number[]): void {
  const size = filter.length;
  declare(scope, 'resample_filter', {
    kind: 'conv',
    shape: [size, size, 1, 1],
    init: { kind: 'constant', values: filterTable(filter) } satisfies Init,
    trainable: false,
  });
}

interface BlockShape {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the output. */
  readonly side: number;
  readonly resize?: 'up' | 'down';
  readonly attention?: boolean;
}

/** A unit with the embedding of noise and class, [N, emb]. */
type Block = (ctx: ForwardContext, x: tf.Tensor, emb: tf.Tensor) => tf.Tensor;

/**
 * `UNetBlock` of NVlabs/edm as SongUNet uses it: (skip(x) + conv1(silu(norm1(conv0(silu(norm0(x))) + affine(emb))))) /
 * sqrt(2), then single-head attention in the same way.
 */
function unetBlock(
  scope: Scope,
  { inChannels, outChannels, side, resize, attention = false }: BlockShape,
  { channel_mult_emb, model_channels, dropout, resample_filter: filter }: SongUNetConfig,
): Block {
  const positions = side * side;
  const before = resize === 'down' ? 4 * positions : resize === 'up' ? positions / 4 : positions;
  const norm = (name: string, channels: number, of: number) =>
    groupNorm(child(scope, name), channels, { groups: groupsOf(channels), epsilon, positions: of });
  const shape = { outChannels, side, filter };
  const norm0 = norm('norm0', inChannels, before);
  const conv0 = conv(child(scope, 'conv0'), { ...shape, inChannels, kernel: 3, resize });
  const affine = linear(child(scope, 'affine'), model_channels * channel_mult_emb, outChannels, { init });
  const norm1 = norm('norm1', outChannels, positions);
  const mask = declareDropout(child(scope, 'dropout'), [side, side, outChannels], dropout);
  const conv1 = conv(child(scope, 'conv1'), { ...shape, inChannels: outChannels, kernel: 3, init: nearZeroInit });
  const skip =
    inChannels !== outChannels || resize !== undefined
      ? conv(child(scope, 'skip'), { ...shape, inChannels, kernel: 1, resize })
      : undefined;
  const attended = attention ? selfAttention(scope, outChannels, side) : undefined;

  return recomputable(scope, (ctx, x, emb) => {
    const h = conv0(ctx, silu(norm0(ctx, x)));
    const shifted = tf.add(h, tf.reshape(affine(ctx, emb), [-1, 1, 1, outChannels]));
    const active = silu(norm1(ctx, shifted));
    const keep = mask(ctx);
    const residual = conv1(ctx, keep === undefined ? active : tf.mul(active, keep));
    const sum = tf.mul(tf.add(skip === undefined ? x : skip(ctx, x), residual), skipScale);
    return attended === undefined ? sum : attended(ctx, sum);
  });
}

/** (x + proj(attention(qkv(norm2(x))))) / sqrt(2), with one head. The channels of q, k and v alternate in `qkv`. */
function selfAttention(scope: Scope, channels: number, side: number): Unit {
  const tokens = side * side;
  const norm2 = groupNorm(child(scope, 'norm2'), channels, { groups: groupsOf(channels), epsilon, positions: tokens });
  const shape = { inChannels: channels, kernel: 1, side };
  const qkv = conv(child(scope, 'qkv'), { ...shape, outChannels: 3 * channels, init: attentionInit });
  const proj = conv(child(scope, 'proj'), { ...shape, outChannels: channels, init: nearZeroInit });
  declareCost(scope, { kind: 'attention', multiplyAdds: 2 * tokens * tokens * channels, outputs: tokens * channels });
  return (ctx, x) => {
    const [n, height, width] = x.shape as [number, number, number, number];
    const all = tf.reshape(qkv(ctx, norm2(ctx, x)), [n, 1, height * width, channels, 3]);
    const [q, k, v] = tf.split(all, 3, 4).map((part) => tf.reshape(part, [n, 1, height * width, channels])) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    return tf.mul(tf.add(proj(ctx, tf.reshape(attend(q, k, v), x.shape)), x), skipScale);
  };
}

/**
 * The networks DDPM++ and NCSN++ of Song et al. 2021 (arXiv:2011.13456) as `SongUNet` of NVlabs/edm (Karras et al. 2022,
 * arXiv:2206.00364), with the parameter names of its state dict. t is the noise label that the preconditioning gives to
 * the network: ln(sigma) / 4 for EDM. Images are square, of `img_resolution`.
 * @throws {ConfigError} if the configuration is invalid or not supported
 */
export function songUNet(options: SongUNetOptions): Model<SongUNetConfig> {
  const config = songUNetConfig(options);
  const { img_resolution: resolution, in_channels, out_channels, model_channels, channel_mult, num_blocks } = config;
  const { label_dim, augment_dim, resample_filter: filter, attn_resolutions, encoder_type, decoder_type } = config;
  const noiseChannels = model_channels * config.channel_mult_noise;
  const embChannels = model_channels * config.channel_mult_emb;
  const scope = root();

  const freqs =
    config.embedding_type === 'fourier'
      ? declare(child(scope, 'map_noise'), 'freqs', {
          kind: 'vector',
          shape: [noiseChannels / 2],
          init: { kind: 'normal', std: 16 },
          trainable: false,
        })
      : undefined;
  const mapLabel = label_dim > 0 ? linear(child(scope, 'map_label'), label_dim, noiseChannels, { init }) : undefined;
  // A weight without effect: `apply` has no augmentation labels, which sampling sets to zero.
  if (augment_dim > 0) linear(child(scope, 'map_augment'), augment_dim, noiseChannels, { init, withBias: false });
  const mapLayer0 = linear(child(scope, 'map_layer0'), noiseChannels, embChannels, { init });
  const mapLayer1 = linear(child(scope, 'map_layer1'), embChannels, embChannels, { init });

  const encoder = child(scope, 'enc');
  const decoder = child(scope, 'dec');
  const named = (of: Scope, side: number, name: string) => child(of, `${side}x${side}_${name}`);
  const sideOf = (level: number) => resolution / 2 ** level;
  const hasAttention = (side: number) => attn_resolutions.includes(side);

  type Stage = (
    state: { x: tf.Tensor; aux: tf.Tensor; skips: tf.Tensor[] },
    ctx: ForwardContext,
    emb: tf.Tensor,
  ) => void;
  const encode: Stage[] = [];
  const skipChannels: number[] = [];
  const addBlock = (scopeOf: Scope, shape: BlockShape) => {
    const unit = unetBlock(scopeOf, shape, config);
    skipChannels.push(shape.outChannels);
    encode.push((state, ctx, emb) => {
      state.x = unit(ctx, state.x, emb);
      state.skips.push(state.x);
    });
  };
  let channels = in_channels;
  let auxChannels = in_channels;
  for (const [level, mult] of channel_mult.entries()) {
    const side = sideOf(level);
    if (level === 0) {
      const shape = { inChannels: in_channels, outChannels: model_channels, kernel: 3, side };
      const first = block(named(encoder, side, 'conv'), conv(named(encoder, side, 'conv'), shape));
      channels = model_channels;
      skipChannels.push(channels);
      encode.push((state, ctx) => {
        state.x = first(ctx, state.x);
        state.skips.push(state.x);
      });
    } else {
      addBlock(named(encoder, side, 'down'), { inChannels: channels, outChannels: channels, side, resize: 'down' });
      if (encoder_type === 'skip') {
        const shape = { inChannels: auxChannels, side, filter };
        const down = conv(named(encoder, side, 'aux_down'), {
          ...shape,
          outChannels: auxChannels,
          kernel: 0,
          resize: 'down',
        });
        const skip = conv(named(encoder, side, 'aux_skip'), { ...shape, outChannels: channels, kernel: 1 });
        encode.push((state, ctx) => {
          state.aux = down(ctx, state.aux);
          state.x = tf.add(state.x, skip(ctx, state.aux));
          state.skips.splice(-1, 1, state.x);
        });
      }
      if (encoder_type === 'residual') {
        const shape = { inChannels: auxChannels, outChannels: channels, kernel: 3, side, filter };
        const residual = conv(named(encoder, side, 'aux_residual'), { ...shape, resize: 'down', isFused: true });
        auxChannels = channels;
        encode.push((state, ctx) => {
          state.aux = tf.mul(tf.add(state.x, residual(ctx, state.aux)), Math.SQRT1_2);
          state.x = state.aux;
          state.skips.splice(-1, 1, state.x);
        });
      }
    }
    for (let i = 0; i < num_blocks; i++) {
      const outChannels = model_channels * mult;
      addBlock(named(encoder, side, `block${i}`), {
        inChannels: channels,
        outChannels,
        side,
        attention: hasAttention(side),
      });
      channels = outChannels;
    }
  }

  interface Decoded {
    x: tf.Tensor;
    readonly skips: tf.Tensor[];
    out: tf.Tensor | undefined;
  }
  const decode: ((state: Decoded, ctx: ForwardContext, emb: tf.Tensor) => void)[] = [];
  const addUp = (name: string, side: number, shape: Pick<BlockShape, 'resize' | 'attention'>) => {
    const unit = unetBlock(
      named(decoder, side, name),
      { inChannels: channels, outChannels: channels, side, ...shape },
      config,
    );
    decode.push((state, ctx, emb) => void (state.x = unit(ctx, state.x, emb)));
  };
  for (const [level, mult] of [...channel_mult.entries()].toReversed()) {
    const side = sideOf(level);
    const isLast = level === channel_mult.length - 1;
    if (isLast) {
      addUp('in0', side, { attention: true });
      addUp('in1', side, {});
    } else {
      addUp('up', side, { resize: 'up' });
    }
    for (let i = 0; i <= num_blocks; i++) {
      const inChannels = channels + skipChannels.pop()!;
      channels = model_channels * mult;
      const attention = i === num_blocks && hasAttention(side);
      const shape = { inChannels, outChannels: channels, side, attention };
      const unit = unetBlock(named(decoder, side, `block${i}`), shape, config);
      decode.push((state, ctx, emb) => void (state.x = unit(ctx, tf.concat([state.x, state.skips.pop()!], 3), emb)));
    }
    if (decoder_type === 'skip' || level === 0) {
      const up =
        decoder_type === 'skip' && !isLast
          ? conv(named(decoder, side, 'aux_up'), {
              inChannels: out_channels,
              outChannels: out_channels,
              kernel: 0,
              side,
              filter,
              resize: 'up',
            })
          : undefined;
      const norm = groupNorm(named(decoder, side, 'aux_norm'), channels, {
        groups: groupsOf(channels),
        epsilon,
        positions: side * side,
      });
      const last = named(decoder, side, 'aux_conv');
      const out = block(
        last,
        conv(last, { inChannels: channels, outChannels: out_channels, kernel: 3, side, init: nearZeroInit }),
      );
      decode.push((state, ctx) => {
        const own = out(ctx, silu(norm(ctx, state.x)));
        const before = state.out === undefined || up === undefined ? state.out : up(ctx, state.out);
        state.out = before === undefined ? own : tf.add(own, before);
      });
    }
  }

  const embed = (ctx: ForwardContext, t: tf.Tensor, cond: tf.Tensor | undefined): tf.Tensor => {
    let emb = noiseEmbedding(t, noiseChannels, freqs?.(ctx));
    if (mapLabel !== undefined) {
      // Without its last column, a null class is the label zero.
      const labels = tf.slice(cond!, [0, 0], [-1, label_dim]);
      emb = tf.add(emb, mapLabel(ctx, tf.mul(labels, Math.sqrt(label_dim))));
    }
    return silu(mapLayer1(ctx, silu(mapLayer0(ctx, emb))));
  };
  const description = {
    kind: 'SongUNet',
    outerModules: [
      `enc.${resolution}x${resolution}_conv`,
      'map_label',
      'map_layer0',
      'map_layer1',
      `dec.${resolution}x${resolution}_aux_conv`,
    ],
    inputShape: [resolution, resolution, in_channels] as const,
    outChannels: out_channels,
    numClasses: label_dim,
    condDim: label_dim > 0 && config.label_dropout > 0 ? label_dim + 1 : label_dim,
  };
  return buildModel(scope, description, config, (ctx, x, t, cond) => {
    if (x.shape[1] !== resolution || x.shape[2] !== resolution) {
      throw new RangeError(
        `SongUNet: x must be [N, ${resolution}, ${resolution}, ${in_channels}], got [${x.shape.join(', ')}]`,
      );
    }
    const emb = embed(ctx, t, cond);
    const encoded = { x, aux: x, skips: [] as tf.Tensor[] };
    for (const stage of encode) stage(encoded, ctx, emb);
    const decoded: Decoded = { x: encoded.x, skips: encoded.skips, out: undefined };
    for (const stage of decode) stage(decoded, ctx, emb);
    return decoded.out!;
  });
}

/** Sines, then cosines, of the noise label: [N] → [N, width]. With `freqs` [width / 2] random Fourier features. */
function noiseEmbedding(t: tf.Tensor, width: number, freqs: tf.Tensor | undefined): tf.Tensor {
  if (freqs === undefined) return sinusoid(t, width, { freqShift: 1, cosFirst: false });
  const angles = tf.mul(tf.reshape(t, [-1, 1]), tf.reshape(tf.mul(freqs, 2 * Math.PI), [1, -1]));
  return tf.concat([tf.sin(angles), tf.cos(angles)], 1);
}
