/**
 * The kernels that this package's ops call if the current TF.js backend registers them, as the recorder of `@dm/jit`
 * does. Attributes are plain JSON data. The key of an optional input is absent if the input is not given. All tensors
 * are float32; images are NHWC, convolution filters HWIO.
 */
import type { Tensor } from '@tensorflow/tfjs-core';

/** Zero padding, [[top, bottom], [left, right]]. */
export type Pad2D = [[number, number], [number, number]];

export interface DmKernels {
  /**
   * x [N, ...spatial, C], scale [C], offset [C] → y of the shape of x, mean [N, groups], invStd [N, groups]. The
   * channels of a group are consecutive; the variance is biased; invStd = 1 / sqrt(variance + epsilon).
   */
  DmGroupNorm: {
    inputs: { x: Tensor; scale: Tensor; offset: Tensor };
    attrs: { groups: number; epsilon: number };
    outputs: [y: Tensor, mean: Tensor, invStd: Tensor];
  };
  /** dy, x, scale, mean, invStd as in `DmGroupNorm` → dx of the shape of x, dscale [C], doffset [C]. */
  DmGroupNormGrad: {
    inputs: { dy: Tensor; x: Tensor; scale: Tensor; mean: Tensor; invStd: Tensor };
    attrs: { groups: number };
    outputs: [dx: Tensor, dscale: Tensor, doffset: Tensor];
  };
  /** x [..., C], scale [C] and offset [C] (both or neither) → y of the shape of x, mean [...], invStd [...]. */
  DmLayerNorm: {
    inputs: { x: Tensor; scale?: Tensor; offset?: Tensor };
    attrs: { epsilon: number };
    outputs: [y: Tensor, mean: Tensor, invStd: Tensor];
  };
  /** dy, x, scale (if given to `DmLayerNorm`), mean, invStd → dx of the shape of x; with scale, dscale and doffset [C]. */
  DmLayerNormGrad: {
    inputs: { dy: Tensor; x: Tensor; scale?: Tensor; mean: Tensor; invStd: Tensor };
    attrs: Record<string, never>;
    outputs: [dx: Tensor] | [dx: Tensor, dscale: Tensor, doffset: Tensor];
  };
  /** x → y, of the same shape. */
  DmSilu: { inputs: { x: Tensor }; attrs: Record<string, never>; outputs: [y: Tensor] };
  /** dy, x → dx, all of the same shape. */
  DmSiluGrad: { inputs: { dy: Tensor; x: Tensor }; attrs: Record<string, never>; outputs: [dx: Tensor] };
  /** x → y, of the same shape. */
  DmGelu: { inputs: { x: Tensor }; attrs: { approximate: 'none' | 'tanh' }; outputs: [y: Tensor] };
  /** dy, x → dx, all of the same shape. */
  DmGeluGrad: { inputs: { dy: Tensor; x: Tensor }; attrs: { approximate: 'none' | 'tanh' }; outputs: [dx: Tensor] };
  /**
   * Cross-correlation: x [N, H, W, I], filter [kh, kw, I, O], bias [O] → y [N, Ho, Wo, O] with
   * Ho = floor((H + top + bottom - kh) / strides[0]) + 1, and Wo likewise.
   */
  DmConv2D: {
    inputs: { x: Tensor; filter: Tensor; bias?: Tensor };
    attrs: { strides: [number, number]; pad: Pad2D };
    outputs: [y: Tensor];
  };
  /** dy [N, Ho, Wo, O], filter [kh, kw, I, O] → dx [inputShape]. */
  DmConv2DGradInput: {
    inputs: { dy: Tensor; filter: Tensor };
    attrs: { strides: [number, number]; pad: Pad2D; inputShape: [number, number, number, number] };
    outputs: [dx: Tensor];
  };
  /** x [N, H, W, I], dy [N, Ho, Wo, O] → dfilter [filterShape]. */
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
  /** dy (of the shape of y), q, k, v, y → dq, dk, dv. */
  DmAttentionGrad: {
    inputs: { dy: Tensor; q: Tensor; k: Tensor; v: Tensor; y: Tensor };
    attrs: { scale: number };
    outputs: [dq: Tensor, dk: Tensor, dv: Tensor];
  };
  /** x [N, H, W, C] → y [N, H factor, W factor, C]. */
  DmUpsampleNearest: { inputs: { x: Tensor }; attrs: { factor: number }; outputs: [y: Tensor] };
  /** dy [N, H factor, W factor, C] → dx [N, H, W, C]. */
  DmUpsampleNearestGrad: { inputs: { dy: Tensor }; attrs: { factor: number }; outputs: [dx: Tensor] };
  /** x of rank >= 1 → y = x, which is computed after the other inputs and must not be merged with x. */
  DmOptimizationBarrier: {
    inputs: { x: Tensor; [after: `after${number}`]: Tensor };
    attrs: Record<string, never>;
    outputs: [y: Tensor];
  };
}

export type DmKernel = keyof DmKernels;

/** The names of all kernels. */
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
