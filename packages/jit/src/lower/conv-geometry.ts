import { backend_util } from '@tensorflow/tfjs-core';
import type { KernelCall } from '../graph/graph.js';

/** Geometry of a convolution, independent of the kernel that requested it. Padding is explicit. */
export interface ConvGeometry {
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** [[top, bottom], [left, right]] */
  readonly pad: readonly [readonly [number, number], readonly [number, number]];
  /** [N, H, W, I] */
  readonly x: readonly number[];
  /** [kh, kw, I, O] */
  readonly filter: readonly number[];
  /** [N, H', W', O] */
  readonly y: readonly number[];
}

export type Pad = ConvGeometry['pad'];

/** Geometry of @dm/ops' convolutions: explicit padding, dilation 1. */
export function dmGeometry(call: KernelCall, x: readonly number[], filter: readonly number[]): ConvGeometry {
  const { strides, pad } = call.attrs as { strides: [number, number]; pad: Pad };
  const out = (i: 0 | 1) => Math.floor((x[i + 1]! + pad[i][0] + pad[i][1] - filter[i]!) / strides[i]) + 1;
  return { strides, pad, dilations: [1, 1], x, filter, y: [x[0]!, out(0), out(1), filter[3]!] };
}

/** Geometry of TF.js's own convolutions; a depthwise filter is [kh, kw, I, O / I]. */
export function tfGeometry(
  call: KernelCall,
  x: readonly number[],
  filter: readonly number[],
  depthwise = false,
): ConvGeometry {
  const a = call.attrs as {
    strides: number | [number, number];
    pad: never;
    dilations?: number | [number, number];
    dataFormat?: string; // not set for a depthwise convolution
    dimRoundingMode?: never;
  };
  if ((a.dataFormat ?? 'NHWC') !== 'NHWC') throw new Error(`dataFormat ${a.dataFormat} has no lowering; use NHWC`);
  const info = backend_util.computeConv2DInfo(
    [...x] as [number, number, number, number],
    [...filter] as [number, number, number, number],
    a.strides,
    a.dilations ?? 1,
    a.pad,
    a.dimRoundingMode,
    depthwise,
  );
  checkRounding(info);
  const { top, bottom, left, right } = info.padInfo;
  return {
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pad: [
      [top, bottom],
      [left, right],
    ],
    x,
    filter,
    y: info.outShape,
  };
}

/**
 * @throws {Error} if TF.js computes another output size than ONNX, which rounds down: with dimRoundingMode "ceil", or with
 *   a number as padding of a filter, or strides, that are not square
 */
export function checkRounding(info: backend_util.Conv2DInfo): void {
  const { top, bottom, left, right } = info.padInfo;
  const size = (before: number, pad: number, filter: number, dilation: number, stride: number) =>
    Math.floor((before + pad - dilation * (filter - 1) - 1) / stride) + 1;
  const height = size(info.inHeight, top + bottom, info.filterHeight, info.dilationHeight, info.strideHeight);
  const width = size(info.inWidth, left + right, info.filterWidth, info.dilationWidth, info.strideWidth);
  if (height === info.outHeight && width === info.outWidth) return;
  throw new Error(
    `an output of ${info.outHeight} x ${info.outWidth} pixels has no lowering, since ONNX computes ${height} x ${width}: ` +
      'use the padding "valid" or "same", or a list of paddings, without dimRoundingMode',
  );
}

export const convAttrs = ({ strides, dilations, pad }: ConvGeometry) => ({
  strides: { ints: strides },
  dilations: { ints: dilations },
  pads: { ints: [pad[0][0], pad[1][0], pad[0][1], pad[1][1]] as const },
});
