import type { Value } from '../graph/graph.js';
import { convAttrs, type ConvGeometry } from './conv-geometry.js';
import { plainConv } from './plain-conv.js';
import type { LoweringContext } from './context.js';

/** Every stride-th pixel along one axis of x. Its gradient is a convolution of dy with some of the filter's taps. */
interface Phase {
  /** In the order in which they slide over dy: the last tap first. */
  readonly taps: readonly number[];
  readonly pad: readonly [number, number];
}

/**
 * dx[stride i + p] = Σ over k of dy[(stride i + p + before - k) / stride] filter[k], over the k that divide: one
 * stride-1 convolution for each p < stride. Undefined if the phases differ in length, if one has no taps, or if dy
 * would have to be cropped.
 */
function phasesOf(axis: 0 | 1, { strides, dilations, pad, x, filter, y }: ConvGeometry): readonly Phase[] | undefined {
  const [stride, dilation, [before], size, out] = [
    strides[axis],
    dilations[axis],
    pad[axis],
    x[axis + 1]!,
    y[axis + 1]!,
  ];
  if (size % stride !== 0 || (stride > 1 && dilation > 1)) return undefined;
  const phases = Array.from({ length: stride }, (_, p): Phase => {
    const taps: number[] = [];
    for (let k = (p + before) % stride; k < filter[axis]!; k += stride) taps.unshift(k);
    const reach = (taps.length - 1) * dilation;
    const start = reach - Math.floor((p + before) / stride);
    return { taps, pad: [start, size / stride - out - start + reach] };
  });
  return phases.every((phase) => phase.taps.length > 0 && phase.pad.every((p) => p >= 0)) ? phases : undefined;
}

/**
 * The input gradient, [N, I, H, W]; with a bias [I], a transposed convolution. With stride 1 it is the convolution of
 * dy with the filter rotated by 180 degrees and its channels swapped, about twice as fast on the CPU provider as
 * ConvTranspose. With stride 2 there are up to four such convolutions, each with the taps that reach its pixels, whose
 * results are interleaved. Everything else uses ConvTranspose, and so does stride 2 on a device.
 */
export function inputGradient(
  dy: Value,
  filter: Value,
  bias: Value | undefined,
  geometry: ConvGeometry,
  ctx: LoweringContext,
): string {
  const [rows, columns] = [phasesOf(0, geometry), phasesOf(1, geometry)];
  const biasName = bias && ctx.get(bias);
  // Up to four phases, on a device one: its Conv is wrong for some of the kernels and paddings of the others.
  const maxPhases = ctx.target === 'gpu' ? 1 : 4;
  if (rows === undefined || columns === undefined || rows.length * columns.length > maxPhases) {
    return transposed(dy, filter, biasName, geometry, ctx);
  }
  const { onnx } = ctx;
  const [kh, kw, inChannels, outChannels] = geometry.filter as [number, number, number, number];
  const blocked = ctx.blockedFor(inChannels, outChannels);
  const flat = ctx.reshape(ctx.get(filter), [kh * kw, inChannels, outChannels]);
  const image = blocked === undefined ? ctx.get(dy, 'NCHW') : blocked.toBlocks(ctx.get(dy, 'NCHW'), ctx);
  const parts = rows.flatMap((row) =>
    columns.map((column) => {
      const tapIndices = row.taps.flatMap((a) => column.taps.map((b) => a * kw + b));
      const taps =
        kh * kw === 1 ? flat : onnx.op('Gather', [flat, onnx.ints(tapIndices)], { attrs: { axis: { int: 0 } } });
      const kernel = [row.taps.length, column.taps.length] as const;
      const attrs = convAttrs({ ...geometry, strides: [1, 1], pad: [row.pad, column.pad] });
      const biases = biasName === undefined ? [] : [biasName];
      if (blocked === undefined) {
        const kernelOIHW = ctx.reshape(ctx.transpose(taps, [1, 2, 0]), [inChannels, outChannels, ...kernel]);
        return plainConv([image, kernelOIHW, ...biases], { kernel, image: geometry.y.slice(1, 3) }, attrs, ctx);
      }
      const blocks = blocked.filter(
        { filter: taps, over: 'out', kernel, inChannels: outChannels, outChannels: inChannels },
        ctx,
      );
      const all = { ...attrs, kernel_shape: { ints: kernel }, group: { int: 1 } };
      return blocked.convOfBlocks([image, blocks, ...biases], all, ctx);
    }),
  );
  const whole = interleaved(parts, rows.length, columns.length, geometry, blocked?.block ?? 1, ctx);
  return blocked === undefined ? whole : blocked.fromBlocks(whole, inChannels, ctx);
}

/**
 * Interleaves images [N, C / b, H, W, b], one per phase in row-major order, into one image of all their pixels: joins the
 * pixels of a row one by one, then the rows. The runtime's Transpose takes 1.2 to 10 times as long.
 */
function interleaved(
  parts: readonly string[],
  rows: number,
  columns: number,
  { x }: ConvGeometry,
  block: number,
  ctx: LoweringContext,
): string {
  if (parts.length === 1) return parts[0]!;
  const [n, height, width, channels] = x as [number, number, number, number];
  /** Joins vectors of `length` elements, one of each part in turn. */
  const inTurn = (names: readonly string[], length: number): string => {
    const vectors = names.map((name) => ctx.reshape(name, [-1, length]));
    return vectors.length === 1 ? vectors[0]! : ctx.onnx.op('Concat', vectors, { attrs: { axis: { int: 1 } } });
  };
  const lines = Array.from({ length: rows }, (_, row) =>
    inTurn(parts.slice(row * columns, (row + 1) * columns), block),
  );
  return ctx.reshape(inTurn(lines, width * block), [n, channels, height, width]);
}

function transposed(
  dy: Value,
  filter: Value,
  bias: string | undefined,
  geometry: ConvGeometry,
  ctx: LoweringContext,
): string {
  const { strides, dilations, pad, x, filter: kernel, y } = geometry;
  const missing = ([0, 1] as const).map(
    (i) => x[i + 1]! + pad[i][0] + pad[i][1] - (kernel[i]! - 1) * dilations[i] - 1 - (y[i + 1]! - 1) * strides[i],
  );
  const operands = [
    ctx.get(dy, 'NCHW'),
    ctx.transpose(ctx.get(filter), [3, 2, 0, 1]),
    ...(bias === undefined ? [] : [bias]),
  ];
  return ctx.product('ConvTranspose', operands, {
    attrs: { ...convAttrs(geometry), output_padding: { ints: missing } },
  });
}
