import type { Value } from '../graph/graph.js';
import { convOfBlocks, toBlocks } from './blocked-conv.js';
import type { ConvGeometry, Pad } from './conv-geometry.js';
import type { LoweringContext } from './context.js';

/**
 * Size of a filter, in bytes, that stays in a core's second-level cache. The runtime's kernel reads the filters of four
 * blocks of output channels for each image before the next image; docs/engine.md has the measurements.
 */
const FILTER_IN_CACHE = 2 ** 20;

/**
 * Number of strips of rows into which the operand that slides, [N, H, W, C], is divided so that the filters of one strip
 * stay in the cache: the smallest divisor of H that suffices. 1 if strips would need to be a single row: each strip also
 * copies as many rows of the other operand as the filter has, and more than 14 strips were not measured.
 */
function stripsOf({ shape }: Value, block: number): number {
  const [n, h, w, c] = shape as [number, number, number, number];
  const rowBytes = 4 * n * w * Math.min(c, 4 * block);
  for (let strips = 1; 2 * strips <= h; strips++) {
    if (h % strips === 0 && (rowBytes * h) / strips <= FILTER_IN_CACHE) return strips;
  }
  return 1;
}

/** The operand that slides over the other: `dy` over x or, at stride 1, `x` over dy. */
type Slid = 'dy' | 'x';

/**
 * Chooses which of x and dy slides over the other; undefined if blocked convolutions do not apply. The images fill the
 * blocks, so their number must be divisible by the block size, and so must the channels of the operand that slides. The
 * operand with more channels slides, because the other one must be padded and transposed.
 */
function slid({ x, filter, strides, dilations }: ConvGeometry, block: number): Slid | undefined {
  const [kh, kw, inChannels, outChannels] = filter as [number, number, number, number];
  // A single tap is one output pixel per filter, for which the kernel is slow. Only strides 1 and 2 were measured.
  const fits = block > 0 && x[0]! % block === 0 && kh > 1 && kw > 1;
  if (!fits || dilations.some((d) => d !== 1) || strides.some((s) => s > 2)) return undefined;
  const xFits = inChannels % block === 0 && strides.every((s) => s === 1);
  if (outChannels % block === 0 && (outChannels >= inChannels || !xFits)) return 'dy';
  return xFits ? 'x' : undefined;
}

export const hasBlockedWeightGradient = (geometry: ConvGeometry, { block }: Pick<LoweringContext, 'block'>): boolean =>
  slid(geometry, block) !== undefined;

/**
 * Weight gradient of a convolution, [kh, kw, I, O], as a convolution on blocked tensors with the roles changed:
 *
 *   dfilter[a, b, i, o] = Σ over n, h, w of x[n, i, s h + a - top, s w + b - left] dy[n, o, h, w]
 *
 * It sums over images as a convolution sums over channels, slides all of dy over x (with the stride s as its dilation),
 * and has kh · kw output pixels. With the operands exchanged, x slides over dy and the taps come out in reverse order.
 * The operand that does not slide is padded beforehand, since a convolution with padding computes the pixels of an
 * output row one by one. A large operand slides in strips of rows, each over its own rows of the other one, and the
 * results are added. Only for geometries for which `hasBlockedWeightGradient` is true.
 */
export function blockedWeightGradient(x: Value, dy: Value, geometry: ConvGeometry, ctx: LoweringContext): string {
  const { strides, pad, filter } = geometry;
  const [kh, kw, inChannels, outChannels] = filter as [number, number, number, number];
  const { block: b, onnx } = ctx;
  const dySlides = slid(geometry, b) === 'dy';
  const [slides, still] = dySlides ? [dy, x] : [x, dy];
  const margin = (i: 0 | 1): readonly [number, number] => {
    const before = dySlides ? pad[i][0] : filter[i]! - 1 - pad[i][0];
    const needed = (slides.shape[i + 1]! - 1) * strides[i] + filter[i]!;
    return [before, needed - still.shape[i + 1]! - before];
  };
  const strips = stripsOf(slides, b);
  const rows = slides.shape[1]! / strips;
  const attrs = {
    kernel_shape: { ints: [rows, slides.shape[2]!] },
    dilations: { ints: strides },
    strides: { ints: [1, 1] },
    pads: { ints: [0, 0, 0, 0] },
    group: { int: 1 },
  };
  const images = imagesInBlocks(still, [margin(0), margin(1)], ctx);
  const sums = imagesAsFilters(slides, strips, ctx).map((filters, strip) => {
    const from = strip * rows * strides[0];
    const under = strips === 1 ? images : rowsOf(images, [from, from + (rows - 1) * strides[0] + kh], ctx);
    return convOfBlocks([ctx.reshape(under.lines, under.shape), filters], attrs, ctx);
  });
  const sum = strips === 1 ? sums[0]! : onnx.op('Sum', sums);
  const blocks = ctx.reshape(sum, [still.shape[3]!, slides.shape[3]! / b, kh * kw, b]);
  if (dySlides) return ctx.reshape(ctx.transpose(blocks, [2, 0, 1, 3]), filter);
  const lastFirst = onnx.ints(Array.from({ length: kh * kw }, (_, i) => kh * kw - 1 - i));
  const turned = ctx.reshape(outChannelsLast(blocks, filter, ctx), [kh * kw, inChannels, outChannels]);
  return ctx.reshape(onnx.op('Gather', [turned, lastFirst], { attrs: { axis: { int: 0 } } }), filter);
}

/**
 * [O, I / b, taps, b] → [taps, I / b, b, O]. If O fills whole blocks, this uses the operator that is faster than
 * Transpose.
 */
function outChannelsLast(
  name: string,
  [kh, kw, inChannels, outChannels]: readonly number[],
  ctx: LoweringContext,
): string {
  const { block: b } = ctx;
  const rest = [inChannels! / b, kh! * kw!, b];
  if (outChannels! % b !== 0) return ctx.transpose(ctx.reshape(name, [outChannels!, ...rest]), [2, 1, 3, 0]);
  const blocks = toBlocks(ctx.reshape(name, [1, outChannels!, 1, inChannels! * kh! * kw!]), ctx);
  return ctx.transpose(ctx.reshape(blocks, [outChannels! / b, ...rest, b]), [2, 1, 3, 0, 4]);
}

/** Blocked images: `lines` is [C N / b, H, W b], one line per row; `shape` is [C, N, H, W]. */
interface BlockedImages {
  readonly lines: string;
  readonly shape: readonly [number, number, number, number];
}

/** [N, H, W, C] as `C` images: blocked over n as a convolution's input is over channels, [C, N / b, H', W', b]. */
function imagesInBlocks(value: Value, [[top, bottom], [left, right]]: Pad, ctx: LoweringContext): BlockedImages {
  const [n, h, w, c] = value.shape as [number, number, number, number];
  const { block: b, onnx } = ctx;
  const blocks = toBlocks(ctx.reshape(ctx.get(value, 'NCHW'), [1, n, 1, c * h * w]), ctx);
  const byChannel = n === b ? blocks : ctx.transpose(ctx.reshape(blocks, [n / b, c, h * w * b]), [1, 0, 2]);
  const lines = ctx.reshape(byChannel, [(c * n) / b, h, w * b]);
  const padded = onnx.op('Pad', [lines, onnx.ints([0, top, left * b, 0, bottom, right * b]), onnx.float(0)]);
  return { lines: padded, shape: [c, n, h + top + bottom, w + left + right] };
}

/** The rows from `begin` up to `end` of each image. */
function rowsOf(
  { lines, shape: [c, n, , w] }: BlockedImages,
  [begin, end]: readonly [number, number],
  { onnx }: LoweringContext,
): BlockedImages {
  const bounds = [[begin], [end], [1]].map((at) => onnx.ints(at));
  return { lines: onnx.op('Slice', [lines, ...bounds]), shape: [c, n, end - begin, w] };
}

/**
 * [N, H, W, C] as `C` filters over N blocked channels, [C / b, N / b, H', W, b of N, b of C], for each strip of H' = H /
 * strips rows.
 */
function imagesAsFilters(value: Value, strips: number, ctx: LoweringContext): readonly string[] {
  const [n, h, w, c] = value.shape as [number, number, number, number];
  const { block: b, onnx } = ctx;
  const shape = [c, n, h / strips, w];
  const blocks = toBlocks(ctx.get(value, 'NCHW'), ctx);
  if (strips === 1) {
    return [ctx.reshape(ctx.transpose(ctx.reshape(blocks, [n / b, b, c / b, h * w, b]), [2, 0, 3, 1, 4]), shape)];
  }
  const apart = ctx.reshape(blocks, [n / b, b, c / b, strips, (h * w) / strips, b]);
  const lengths = onnx.ints(Array<number>(strips).fill(1));
  const options = { attrs: { axis: { int: 0 } }, outputs: strips };
  return onnx
    .ops('Split', [ctx.transpose(apart, [3, 2, 0, 4, 1, 5]), lengths], options)
    .map((strip) => ctx.reshape(strip, shape));
}
