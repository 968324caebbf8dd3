import { sizeOf, type Value } from '../graph/graph.js';
import type { ConvGeometry } from './conv-geometry.js';
import type { LoweringContext } from './context.js';
import { padSpatial } from './plain-conv.js';

/** Pads or crops (if negative) the last axis of [N, C, L]. */
function padLine(x: string, before: number, after: number, { onnx }: LoweringContext): string {
  if (before === 0 && after === 0) return x;
  return onnx.op('Pad', [x, onnx.ints([0, 0, before, 0, 0, after]), onnx.float(0)]);
}

const noPad = [0, 0] as const;

/** Every `step`-th element of a spatial axis (2 or 3): `length` elements beginning at `start`. */
function strided(
  x: string,
  axis: 2 | 3,
  start: number,
  length: number,
  step: number,
  { onnx }: LoweringContext,
): string {
  const bounds = [start, start + (length - 1) * step + 1].map((at) => onnx.ints([at]));
  return onnx.op('Slice', [x, ...bounds, onnx.ints([axis]), onnx.ints([step])]);
}

/** Concatenates along the channel axis by default. */
const stack = (parts: readonly string[], { onnx }: LoweringContext, axis = 1): string =>
  parts.length === 1 ? parts[0]! : onnx.op('Concat', parts, { attrs: { axis: { int: axis } } });

const upTo = (n: number): number[] => [...Array(n).keys()];

/**
 * Sizes for which WebGPU's ReduceSum uses one thread per output, so that neighboring threads read neighboring values. For
 * other sizes a workgroup computes each output, after a transpose. See `ReduceKernel::ComputeInternal` in ONNX Runtime,
 * onnxruntime/core/providers/webgpu/reduction/reduction_ops.cc.
 */
const THREAD_PER_OUTPUT = { maxTerms: 31, minOutputs: 1025 } as const;

/** The sum over images: [n, ...], with `size` values per image, → [1, size]. */
function sumOverImages(x: string, n: number, size: number, ctx: LoweringContext): string {
  const { onnx, target } = ctx;
  const { maxTerms, minOutputs } = THREAD_PER_OUTPUT;
  const terms = upTo(Math.min(n, maxTerms) + 1).findLast((count) => n % count === 0)!;
  if (target !== 'gpu' || size < minOutputs || terms === 1) {
    // A product with ones, which runs at memory bandwidth on the CPU; the runtime's ReduceSum does not. On a GPU it uses
    // one of the 32 rows of a tile.
    return onnx.op('MatMul', [onnx.floats(new Float32Array(n).fill(1), [1, n]), ctx.reshape(x, [n, size])]);
  }
  const groups = ctx.reshape(x, [terms, n / terms, size]);
  const sums = onnx.op('ReduceSum', [groups, onnx.ints([0])], { attrs: { keepdims: { int: 0 } } });
  return terms === n ? sums : sumOverImages(sums, n / terms, size, ctx);
}

/**
 * The weight gradient, [kh, kw, I, O]: on blocked tensors if they apply, otherwise as batched matrix products.
 *
 * With stride 1, all shifts of x along the width, stacked, are multiplied with dy shifted along the height: a product
 * of kw · I rows and O columns for each of the kh shifts. Tap (a, b) pairs x shifted by b with dy shifted by a, so only
 * kw + kh copies are made, while patches would need kh · kw. A shift is one Pad: zeros on one side, a negative pad on
 * the other. Other strides and dilations use patches of x.
 */
export function weightGradient(x: Value, dy: Value, geometry: ConvGeometry, ctx: LoweringContext): string {
  // The runtime leaves sums of nothing uninitialized.
  if (sizeOf(dy.shape) === 0) return ctx.onnx.op('Expand', [ctx.onnx.float(0), ctx.onnx.ints(geometry.filter)]);
  const { blocked } = ctx;
  if (blocked?.hasWeightGradient(geometry) === true) return blocked.weightGradient(x, dy, geometry, ctx);
  const {
    strides,
    dilations,
    pad,
    filter: [kh, kw, inChannels, outChannels],
  } = geometry;
  const [n, height, width] = geometry.x;
  const [, outHeight, outWidth] = geometry.y;
  const xs = ctx.get(x, 'NCHW');
  const dys = ctx.get(dy, 'NCHW');
  const product = (a: string, b: string, rows: number, columns: number, space: number): string => {
    const left = ctx.reshape(a, [n!, rows, space]);
    const right = ctx.reshape(b, [n!, columns, space]);
    const perImage = ctx.matMul(left, right, 3, { transB: true });
    return sumOverImages(perImage, n!, rows * columns, ctx);
  };
  if (strides.every((s) => s === 1) && dilations.every((d) => d === 1)) {
    const shiftedX = upTo(kw!).map((tap) => {
      const left = pad[1][0] - tap;
      return padSpatial(xs, [noPad, [left, outWidth! - width! - left]], ctx);
    });
    const stacked = stack(shiftedX, ctx);
    // A shift along the height is a shift by whole rows, so the plane is padded as one line, which is faster.
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
