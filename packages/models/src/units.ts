/** Layers shared by all architectures, equivalent to the PyTorch modules of the same names. */
import * as tf from '@tensorflow/tfjs-core';
import { autocast, conv2d, type Conv2DOptions, groupNorm as groupNormOp, layerNorm as layerNormOp } from '@dm/ops';
import type { Init, ParamKind } from './model.js';
import { type ForwardContext, declare, declareCost, type Scope } from './scope.js';

/** A layer with one input. */
export type Unit = (ctx: ForwardContext, x: tf.Tensor) => tf.Tensor;

/** Initialization of a layer's weight and bias, from its fan-in and fan-out. */
export type LayerInit = (fanIn: number, fanOut: number) => { readonly weight: Init; readonly bias: Init };

/**
 * PyTorch's default for convolutions and linear layers: `kaiming_uniform_` with a = sqrt(5) (He et al. 2015,
 * arXiv:1502.01852), which is uniform on ±1/sqrt(fan_in). The bias has the same distribution.
 */
export const torchInit: LayerInit = (fanIn) => {
  const uniform: Init = { kind: 'uniform', bound: 1 / Math.sqrt(fanIn) };
  return { weight: uniform, bias: uniform };
};

/**
 * PyTorch's `xavier_uniform_`: uniform on ±sqrt(6 / (fan_in + fan_out)), with zero bias. Glorot & Bengio 2010,
 * https://proceedings.mlr.press/v9/glorot10a.html.
 */
export const xavierInit: LayerInit = (fanIn, fanOut) => ({
  weight: { kind: 'uniform', bound: Math.sqrt(6 / (fanIn + fanOut)) },
  bias: { kind: 'zeros' },
});

export const zeroInit: LayerInit = () => ({ weight: { kind: 'zeros' }, bias: { kind: 'zeros' } });

export const normalInit =
  (std: number): LayerInit =>
  () => ({ weight: { kind: 'normal', std }, bias: { kind: 'zeros' } });

interface ConvShape {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the square kernel. Default 3. */
  readonly kernel?: number;
  /** [H, W] of the output, to count multiply-adds. */
  readonly size: readonly [number, number];
}

/** `nn.Conv2d`: [N, H, W, inChannels] → [N, H', W', outChannels]. The default padding is `same`. */
export function conv(
  scope: Scope,
  { inChannels, outChannels, kernel = 3, size: [height, width] }: ConvShape,
  options: Pick<Conv2DOptions, 'strides' | 'pad'> = {},
): Unit {
  const fanIn = inChannels * kernel * kernel;
  const init = torchInit(fanIn, outChannels);
  const weight = declare(scope, 'weight', {
    kind: 'conv',
    shape: [kernel, kernel, inChannels, outChannels],
    init: init.weight,
  });
  const bias = declare(scope, 'bias', { kind: 'vector', shape: [outChannels], init: init.bias });
  const outputs = height * width * outChannels;
  declareCost(scope, { kind: 'conv', multiplyAdds: outputs * fanIn, outputs });
  return (ctx, x) => conv2d(x, weight(ctx), { ...options, bias: bias(ctx) });
}

/** `nn.Linear` on the last axis: [..., inFeatures] → [..., outFeatures]. `rows` is the number of vectors per image. */
export function linear(
  scope: Scope,
  inFeatures: number,
  outFeatures: number,
  {
    rows = 1,
    init = torchInit,
    withBias = true,
  }: { readonly rows?: number; readonly init?: LayerInit; readonly withBias?: boolean } = {},
): Unit {
  const start = init(inFeatures, outFeatures);
  const weight = declare(scope, 'weight', { kind: 'linear', shape: [inFeatures, outFeatures], init: start.weight });
  const bias = withBias
    ? declare(scope, 'bias', { kind: 'vector', shape: [outFeatures], init: start.bias })
    : undefined;
  const outputs = rows * outFeatures;
  declareCost(scope, { kind: 'linear', multiplyAdds: outputs * inFeatures, outputs });
  return (ctx, x) => {
    const matrix = x.rank === 2 ? x : tf.reshape(x, [-1, inFeatures]);
    const product = tf.matMul(matrix, weight(ctx));
    const y = bias === undefined ? product : tf.add(product, bias(ctx));
    return x.rank === 2 ? y : tf.reshape(y, [...x.shape.slice(0, -1), outFeatures]);
  };
}

/**
 * `nn.Embedding` for one-hot labels: [N, rows] → [N, width]. A matrix product, since wasm has no gradient for gather.
 */
export function embedding(scope: Scope, rows: number, width: number, std: number): Unit {
  const kind: ParamKind = 'embedding';
  const weight = declare(scope, 'weight', { kind, shape: [rows, width], init: { kind: 'normal', std } });
  declareCost(scope, { kind, multiplyAdds: rows * width, outputs: width });
  // A lookup of rows, which does not round.
  return (ctx, oneHot) => autocast('f32', () => tf.matMul(oneHot, weight(ctx)));
}

/** `nn.GroupNorm` on [N, H, W, channels]. `positions` is H W, to count outputs. */
export function groupNorm(
  scope: Scope,
  channels: number,
  { groups, epsilon, positions }: { readonly groups: number; readonly epsilon: number; readonly positions: number },
): Unit {
  const scale = declare(scope, 'weight', { kind: 'vector', shape: [channels], init: { kind: 'ones' } });
  const offset = declare(scope, 'bias', { kind: 'vector', shape: [channels], init: { kind: 'zeros' } });
  declareCost(scope, { kind: 'norm', multiplyAdds: 0, outputs: positions * channels });
  return (ctx, x) => groupNormOp(x, scale(ctx), offset(ctx), { groups, epsilon });
}

/** `nn.LayerNorm` on [N, T, channels]. `rows` is T, to count outputs. */
export function layerNorm(
  scope: Scope,
  channels: number,
  { affine, epsilon, rows }: { readonly affine: boolean; readonly epsilon: number; readonly rows: number },
): Unit {
  declareCost(scope, { kind: 'norm', multiplyAdds: 0, outputs: rows * channels });
  if (!affine) return (_call, x) => layerNormOp(x, { epsilon });
  const scale = declare(scope, 'weight', { kind: 'vector', shape: [channels], init: { kind: 'ones' } });
  const offset = declare(scope, 'bias', { kind: 'vector', shape: [channels], init: { kind: 'zeros' } });
  return (ctx, x) => layerNormOp(x, { scale: scale(ctx), offset: offset(ctx), epsilon });
}
