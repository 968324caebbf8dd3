/**
 * The kernels that the ops of this package emit, by name, if the current TF.js backend registers them (the
 * recorder of `@dm/jit` does). Attributes are plain JSON data; an optional input that is not given is an absent key.
 * Everything is float32; images are NHWC, convolution filters HWIO.
 */
import type { Tensor } from '@tensorflow/tfjs-core';

/** Zeros added [[top, bottom], [left, right]]. */
export type Pad2D = [[number, number], [number, number]];

export interface DmKernels {
  /**
   * x [N, ...spatial, C], scale [C], offset [C] → y as x, mean [N, groups], invStd [N, groups]. Channels of a group are
   * neighbors; the variance is divided by the number of elements; invStd = 1 / sqrt(variance + epsilon).
   */
  DmGroupNorm: {
    inputs: { x: Tensor; scale: Tensor; offset: Tensor };
    attrs: { groups: number; epsilon: number };
    outputs: [y: Tensor, mean: Tensor, invStd: Tensor];
  };
  /** dy, x, scale, mean, invStd as above → dx as x, dscale [C], doffset [C]. */
  DmGroupNormGrad: {
    inputs: { dy: Tensor; x: Tensor; scale: Tensor; mean: Tensor; invStd: Tensor };
    attrs: { groups: number };
    outputs: [dx: Tensor, dscale: Tensor, doffset: Tensor];
  };
  /** x [..., C], scale [C] and offset [C] (both or neither) → y as x, mean [...], invStd [...], over the last axis. */
  DmLayerNorm: {
    inputs: { x: Tensor; scale?: Tensor; offset?: Tensor };
    attrs: { epsilon: number };
    outputs: [y: Tensor, mean: Tensor, invStd: Tensor];
  };
  /** dy, x, scale (if the forward had one), mean, invStd → dx as x; with scale also dscale [C], doffset [C]. */
  DmLayerNormGrad: {
    inputs: { dy: Tensor; x: Tensor; scale?: Tensor; mean: Tensor; invStd: Tensor };
    attrs: Record<string, never>;
    outputs: [dx: Tensor] | [dx: Tensor, dscale: Tensor, doffset: Tensor];
  };
  /** x → y as x. */
  DmSilu: { inputs: { x: Tensor }; attrs: Record<string, never>; outputs: [y: Tensor] };
  /** dy, x → dx as x. */
  DmSiluGrad: { inputs: { dy: Tensor; x: Tensor }; attrs: Record<string, never>; outputs: [dx: Tensor] };
  /** x → y as x. */
  DmGelu: { inputs: { x: Tensor }; attrs: { approximate: 'none' | 'tanh' }; outputs: [y: Tensor] };
  /** dy, x → dx as x. */
  DmGeluGrad: { inputs: { dy: Tensor; x: Tensor }; attrs: { approximate: 'none' | 'tanh' }; outputs: [dx: Tensor] };
  /**
   * x [N, H, W, I], filter [kh, kw, I, O], bias [O] → y [N, Ho, Wo, O] with
   * Ho = floor((H + top + bottom - kh) / strides[0]) + 1, Wo likewise. Cross-correlation, as everywhere in this field.
   */
  DmConv2D: {
    inputs: { x: Tensor; filter: Tensor; bias?: Tensor };
    attrs: { strides: [number, number]; pad: Pad2D };
    outputs: [y: Tensor];
  };
  /** dy [N, Ho, Wo, O], filter → dx of shape inputShape. */
  DmConv2DGradInput: {
    inputs: { dy: Tensor; filter: Tensor };
    attrs: { strides: [number, number]; pad: Pad2D; inputShape: [number, number, number, number] };
    outputs: [dx: Tensor];
  };
  /** x, dy → dfilter of shape filterShape. */
  DmConv2DGradFilter: {
    inputs: { x: Tensor; dy: Tensor };
    attrs: { strides: [number, number]; pad: Pad2D; filterShape: [number, number, number, number] };
    outputs: [dfilter: Tensor];
  };
  /** q [B, heads, Tq, d], k and v [B, heads, Tk, d] → y [B, heads, Tq, d]. */
  DmAttention: {
    inputs: { q: Tensor; k: Tensor; v: Tensor };
    attrs: { scale: number };
    outputs: [y: Tensor];
  };
  /** dy as y, q, k, v, y → dq, dk, dv. */
  DmAttentionGrad: {
    inputs: { dy: Tensor; q: Tensor; k: Tensor; v: Tensor; y: Tensor };
    attrs: { scale: number };
    outputs: [dq: Tensor, dk: Tensor, dv: Tensor];
  };
  /** x [N, H, W, C] → y [N, H factor, W factor, C]. */
  DmUpsampleNearest: { inputs: { x: Tensor }; attrs: { factor: number }; outputs: [y: Tensor] };
  /** dy [N, H factor, W factor, C] → dx [N, H, W, C]. */
  DmUpsampleNearestGrad: { inputs: { dy: Tensor }; attrs: { factor: number }; outputs: [dx: Tensor] };
  /** x of rank 1 at least → y equal to x, and computed after all the others are: not to be merged with x. */
  DmOptimizationBarrier: {
    inputs: { x: Tensor; [after: `after${number}`]: Tensor };
    attrs: Record<string, never>;
    outputs: [y: Tensor];
  };
}

export type DmKernel = keyof DmKernels;

/** Every kernel's name, for a backend that wants to know whether it has them all. */
export const dmKernels: readonly DmKernel[] = [
  'DmGroupNorm',
  'DmGroupNormGrad',
  'DmLayerNorm',
  'DmLayerNormGrad',
  'DmSilu',
  'DmSiluGrad',
  'DmGelu',
  'DmGeluGrad',
  'DmConv2D',
  'DmConv2DGradInput',
  'DmConv2DGradFilter',
  'DmAttention',
  'DmAttentionGrad',
  'DmUpsampleNearest',
  'DmUpsampleNearestGrad',
  'DmOptimizationBarrier',
];
