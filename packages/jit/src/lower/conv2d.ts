import { backend_util } from '@tensorflow/tfjs-core';
import { optionalArg, type Value } from '../graph.js';
import { blockable, blockedConv } from './blocked-conv.js';
import { type Call, input, type Kernel, type Lowering } from './lowering.js';

/** What a convolution is, whichever kernel asked for it. Padding is explicit. */
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

type Pad = ConvGeometry['pad'];

/** Geometry of @dm/ops' convolutions: padding is given, dilation is 1. */
function dmGeometry(call: Call, x: readonly number[], filter: readonly number[]): ConvGeometry {
  const { strides, pad } = call.attrs as { strides: [number, number]; pad: Pad };
  const out = (i: 0 | 1) => Math.floor((x[i + 1]! + pad[i][0] + pad[i][1] - filter[i]!) / strides[i]) + 1;
  return { strides, pad, dilations: [1, 1], x, filter, y: [x[0]!, out(0), out(1), filter[3]!] };
}

/** Geometry of TF.js's own convolutions; the filter of a depthwise one is [kh, kw, I, O / I]. */
export function tfGeometry(
  call: Call,
  x: readonly number[],
  filter: readonly number[],
  depthwise = false,
): ConvGeometry {
  const a = call.attrs as {
    strides: number | [number, number];
    pad: never;
    dilations?: number | [number, number];
    dataFormat?: string; // a depthwise convolution has none
    dimRoundingMode?: never;
  };
  if ((a.dataFormat ?? 'NHWC') !== 'NHWC') throw new Error(`dataFormat ${a.dataFormat} has no lowering; NHWC has one`);
  const info = backend_util.computeConv2DInfo(
    [...x] as [number, number, number, number],
    [...filter] as [number, number, number, number],
    a.strides,
    a.dilations ?? 1,
    a.pad,
    a.dimRoundingMode,
    depthwise,
  );
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

export const convAttrs = ({ strides, dilations, pad }: ConvGeometry) => ({
  strides: { ints: strides },
  dilations: { ints: dilations },
  pads: { ints: [pad[0][0], pad[1][0], pad[0][1], pad[1][1]] },
});

/** HWIO → OIHW. */
const filterOIHW = (filter: Value, ctx: Lowering): string => ctx.transpose(ctx.get(filter), [3, 2, 0, 1]);

/** y = conv(x, filter) + bias, channels first. */
function forward(x: Value, filter: Value, bias: Value | undefined, geometry: ConvGeometry, ctx: Lowering): string {
  const [kh, kw, inChannels, outChannels] = geometry.filter as [number, number, number, number];
  const biasName = bias && ctx.get(bias);
  if (blockable(ctx, inChannels, outChannels)) {
    const taps = ctx.reshape(ctx.get(filter), [kh * kw, inChannels, outChannels]);
    const conv = { filter: taps, bias: biasName, over: 'in', kernel: [kh, kw], inChannels, outChannels } as const;
    return blockedConv({ ...conv, x: ctx.get(x, 'cf'), attrs: convAttrs(geometry) }, ctx);
  }
  const operands = [ctx.get(x, 'cf'), filterOIHW(filter, ctx), ...(biasName === undefined ? [] : [biasName])];
  return ctx.onnx.op('Conv', operands, { attrs: convAttrs(geometry) });
}

/**
 * Gradient by x. With stride 1 it is the convolution of dy with the filter turned by half a turn and its channels
 * swapped, about twice as fast on the CPU provider as ConvTranspose, which serves the other strides.
 */
function gradInput(dy: Value, filter: Value, geometry: ConvGeometry, ctx: Lowering): string {
  const {
    strides,
    dilations,
    pad,
    x,
    filter: [kh, kw, inChannels, outChannels],
    y,
  } = geometry;
  const reach = [(kh! - 1) * dilations[0], (kw! - 1) * dilations[1]] as const;
  const full = ([0, 1] as const).every((i) => strides[i] === 1 && pad[i][0] <= reach[i] && pad[i][1] <= reach[i]);
  if (full) {
    const taps = kh! * kw!;
    const flat = ctx.reshape(ctx.get(filter), [taps, inChannels!, outChannels!]);
    const order = ctx.onnx.ints(Array.from({ length: taps }, (_, i) => taps - 1 - i));
    const turned = taps === 1 ? flat : ctx.onnx.op('Gather', [flat, order], { attrs: { axis: { int: 0 } } });
    const padOf = (i: 0 | 1) => [reach[i] - pad[i][0], reach[i] - pad[i][1]] as const;
    const attrs = convAttrs({ ...geometry, pad: [padOf(0), padOf(1)] });
    if (blockable(ctx, inChannels!, outChannels!)) {
      const channels = { inChannels: outChannels!, outChannels: inChannels! };
      const conv = { filter: turned, over: 'out', kernel: [kh!, kw!], ...channels } as const;
      return blockedConv({ ...conv, x: ctx.get(dy, 'cf'), attrs }, ctx);
    }
    const kernel = ctx.reshape(ctx.transpose(turned, [1, 2, 0]), [inChannels!, outChannels!, kh!, kw!]);
    return ctx.onnx.op('Conv', [ctx.get(dy, 'cf'), kernel], { attrs });
  }
  const missing = ([0, 1] as const).map(
    (i) => x[i + 1]! + pad[i][0] + pad[i][1] - reach[i] - 1 - (y[i + 1]! - 1) * strides[i],
  );
  const attrs = { ...convAttrs(geometry), output_padding: { ints: missing } };
  return ctx.onnx.op('ConvTranspose', [ctx.get(dy, 'cf'), filterOIHW(filter, ctx)], { attrs });
}

/** Pads or crops (negative) the two spatial axes of a channels-first tensor. */
function padSpatial(x: string, [[top, bottom], [left, right]]: Pad, ctx: Lowering): string {
  if (top === 0 && bottom === 0 && left === 0 && right === 0) return x;
  return ctx.onnx.op('Pad', [x, ctx.onnx.ints([0, 0, top, left, 0, 0, bottom, right]), ctx.onnx.float(0)]);
}

/** Pads or crops (negative) the last axis of [N, C, L]. */
function padLine(x: string, before: number, after: number, { onnx }: Lowering): string {
  if (before === 0 && after === 0) return x;
  return onnx.op('Pad', [x, onnx.ints([0, 0, before, 0, 0, after]), onnx.float(0)]);
}

const noPad = [0, 0] as const;

/** Every `step`-th of a spatial axis (2 or 3), `length` of them from `start` on. */
function strided(x: string, axis: 2 | 3, start: number, length: number, step: number, { onnx }: Lowering): string {
  const bounds = [start, start + (length - 1) * step + 1].map((at) => onnx.ints([at]));
  return onnx.op('Slice', [x, ...bounds, onnx.ints([axis]), onnx.ints([step])]);
}

/** One below the other: on the channel axis, unless told otherwise. */
const stack = (parts: readonly string[], { onnx }: Lowering, axis = 1): string =>
  parts.length === 1 ? parts[0]! : onnx.op('Concat', parts, { attrs: { axis: { int: axis } } });

const upTo = (n: number): number[] => [...Array(n).keys()];

/**
 * Gradient by the filter as batched matrix products, [kh, kw, I, O].
 *
 * With stride 1, x shifted along the width, all shifts one below the other, is multiplied with dy shifted along the
 * height, a product of kw · I rows and O columns for each of the kh shifts: tap (a, b) pairs x shifted by b with dy
 * shifted by a, and only kw + kh copies are made where patches would need kh · kw. A shift is one Pad: zeros on one side,
 * a negative pad on the other. Other strides and dilations use patches of x.
 */
function gradFilter(x: Value, dy: Value, geometry: ConvGeometry, ctx: Lowering): string {
  const {
    strides,
    dilations,
    pad,
    filter: [kh, kw, inChannels, outChannels],
  } = geometry;
  const [n, height, width] = geometry.x;
  const [, outHeight, outWidth] = geometry.y;
  const xs = ctx.get(x, 'cf');
  const dys = ctx.get(dy, 'cf');
  const product = (a: string, b: string, rows: number, columns: number, space: number): string => {
    const left = ctx.reshape(a, [n!, rows, space]);
    const right = ctx.reshape(b, [n!, columns, space]);
    const perImage = ctx.reshape(ctx.matMul(left, right, 3, { transB: true }), [n!, rows * columns]);
    // The sum over images as a product with ones, which the runtime does at the speed of memory; its ReduceSum does not.
    return ctx.onnx.op('MatMul', [ctx.onnx.floats(new Float32Array(n!).fill(1), [1, n!]), perImage]);
  };
  if (strides.every((s) => s === 1) && dilations.every((d) => d === 1)) {
    const shiftedX = upTo(kw!).map((tap) => {
      const left = pad[1][0] - tap;
      return padSpatial(xs, [noPad, [left, outWidth! - width! - left]], ctx);
    });
    const stacked = stack(shiftedX, ctx);
    // Along the height a shift is one of whole rows, so the plane is padded as one line, which the runtime does faster.
    const lines = ctx.reshape(dys, [n!, outChannels!, outHeight! * outWidth!]);
    const taps = upTo(kh!).map((tap) => {
      const top = tap - pad[0][0];
      const shiftedDy = padLine(lines, top * outWidth!, (height! - outHeight! - top) * outWidth!, ctx);
      return product(stacked, shiftedDy, kw! * inChannels!, outChannels!, height! * outWidth!);
    });
    return ctx.reshape(stack(taps, ctx, 0), [kh!, kw!, inChannels!, outChannels!]);
  }
  const padded = padSpatial(xs, pad, ctx);
  const patches = upTo(kh!).flatMap((tapH) => {
    const rows = strided(padded, 2, tapH * dilations[0], outHeight!, strides[0], ctx);
    return upTo(kw!).map((tapW) => strided(rows, 3, tapW * dilations[1], outWidth!, strides[1], ctx));
  });
  const taps = product(stack(patches, ctx), dys, kh! * kw! * inChannels!, outChannels!, outHeight! * outWidth!);
  return ctx.reshape(taps, [kh!, kw!, inChannels!, outChannels!]);
}

function convKernel(geometryOf: typeof dmGeometry): Kernel {
  const geometry = (call: Call) => geometryOf(call, input(call, 'x').shape, input(call, 'filter').shape);
  return {
    infer: (call) => [{ shape: geometry(call).y, dtype: 'float32' }],
    lower(node, ctx) {
      const result = forward(input(node, 'x'), input(node, 'filter'), optionalArg(node, 'bias'), geometry(node), ctx);
      ctx.set(node.outputs[0]!, result, 'cf');
    },
  };
}

function gradInputKernel(geometryOf: typeof dmGeometry): Kernel {
  return {
    infer: (call) => [{ shape: call.attrs['inputShape'] as number[], dtype: 'float32' }],
    lower(node, ctx) {
      const filter = input(node, 'filter');
      const geometry = geometryOf(node, node.attrs['inputShape'] as number[], filter.shape);
      ctx.set(node.outputs[0]!, gradInput(input(node, 'dy'), filter, geometry, ctx), 'cf');
    },
  };
}

function gradFilterKernel(geometryOf: typeof dmGeometry): Kernel {
  return {
    infer: (call) => [{ shape: call.attrs['filterShape'] as number[], dtype: 'float32' }],
    lower(node, ctx) {
      const x = input(node, 'x');
      const geometry = geometryOf(node, x.shape, node.attrs['filterShape'] as number[]);
      ctx.set(node.outputs[0]!, gradFilter(x, input(node, 'dy'), geometry, ctx));
    },
  };
}

export const conv2dKernels: Readonly<Record<string, Kernel>> = {
  Conv2D: convKernel(tfGeometry),
  Conv2DBackpropFilter: gradFilterKernel(tfGeometry),
  Conv2DBackpropInput: gradInputKernel(tfGeometry),
  DmConv2D: convKernel(dmGeometry),
  DmConv2DGradFilter: gradFilterKernel(dmGeometry),
  DmConv2DGradInput: gradInputKernel(dmGeometry),
};
