import type { Value } from '../graph/graph.js';
import { convOfBlocks, toBlocks } from './blocked-conv.js';
import type { ConvGeometry } from './conv-geometry.js';
import type { LoweringContext } from './context.js';

/**
 * Size of a filter, in bytes, that stays in a core's second-level cache. The runtime's kernel reads the filters of four
 * blocks of output channels for each image before the next image; docs/engine.md has the measurements.
 */
const FILTER_IN_CACHE = 2 ** 20;

/** How the operand that slides is divided: into groups of images, and each of them into strips of rows. */
interface Parts {
  readonly groups: number;
  readonly strips: number;
}

/**
 * Divides the operand that slides, [N, H, W, C], so that the filters of one part stay in the cache: into the smallest
 * number of groups of whole blocks of images that suffices, which copies nothing twice. If single blocks of images are
 * too large, each of them is divided into the smallest number of strips of H / strips rows that suffices, or into none
 * if strips would need to be a single row: their windows of the other operand overlap by the filter's rows minus one.
 */
function partsOf({ shape }: Value, block: number): Parts {
  const [n, h, w, c] = shape as [number, number, number, number];
  const bytes = 4 * n * h * w * Math.min(c, 4 * block);
  const fits = ({ groups, strips }: Parts) => bytes / groups / strips <= FILTER_IN_CACHE;
  const blocks = n / block;
  const groups = divisors(blocks).map((count) => ({ groups: count, strips: 1 }));
  const strips = divisors(h).filter((count) => 2 * count <= h);
  const inStrips = strips.map((count) => ({ groups: blocks, strips: count }));
  return [...groups, ...inStrips].find(fits) ?? { groups: blocks, strips: 1 };
}

/** In ascending order. */
const divisors = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1).filter((i) => n % i === 0);

/** The operand that slides over the other: `dy` over x or, at stride 1, `x` over dy. */
type Slid = 'dy' | 'x';

/**
 * Chooses which of x and dy slides over the other; undefined if blocked convolutions do not apply. The images fill the
 * blocks, so their number must be divisible by the block size, and so must the channels of the operand that slides. The
 * operand with more channels slides, because the other one must be padded and transposed.
 */
function slid({ x, filter, strides, dilations, pad }: ConvGeometry, block: number): Slid | undefined {
  const [kh, kw, inChannels, outChannels] = filter as [number, number, number, number];
  // A single tap is one output pixel per filter, for which the kernel is slow. Only strides 1 and 2 were measured.
  const fits = x[0]! % block === 0 && kh > 1 && kw > 1;
  if (!fits || dilations.some((d) => d !== 1) || strides.some((s) => s > 2)) return undefined;
  // Otherwise a strip could lie outside of the image, without a row to multiply with.
  if (pad[0].some((rows) => rows >= kh)) return undefined;
  const xFits = inChannels % block === 0 && strides.every((s) => s === 1);
  if (outChannels % block === 0 && (outChannels >= inChannels || !xFits)) return 'dy';
  return xFits ? 'x' : undefined;
}

export const hasBlockedWeightGradient = (geometry: ConvGeometry, block: number): boolean =>
  slid(geometry, block) !== undefined;

/**
 * Weight gradient of a convolution, [kh, kw, I, O], as a convolution on blocked tensors with the roles changed:
 *
 *   dfilter[a, b, i, o] = Σ over n, h, w of x[n, i, s h + a - top, s w + b - left] dy[n, o, h, w]
 *
 * It sums over images as a convolution sums over channels, slides all of dy over x (with the stride s as its dilation),
 * and has kh · kw output pixels. With the operands exchanged, x slides over dy and the taps come out in reverse order.
 * Columns of the operand that does not slide are padded beforehand: a convolution that pads columns computes the pixels
 * of an output row one by one. Rows are padded by the convolution, which skips the taps outside of the image. A large
 * operand slides in groups of images and strips of rows, each over its own rows of the other one, and the results are
 * added. Only for geometries for which `hasBlockedWeightGradient` is true.
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
  const parts = partsOf(slides, b);
  const rows = slides.shape[1]! / parts.strips;
  const attrs = {
    kernel_shape: { ints: [rows, slides.shape[2]!] },
    dilations: { ints: strides },
    strides: { ints: [1, 1] },
    group: { int: 1 },
  };
  const filters = imagesAsFilters(slides, parts, ctx);
  const images = imagesInBlocks(still, parts.groups, ctx);
  const [[top], columns] = [margin(0), margin(1)];
  const height = still.shape[1]!;
  const sums = filters.map((part, i) => {
    const [group, strip] = [Math.floor(i / parts.strips), i % parts.strips];
    const begin = strip * rows * strides[0] - top;
    const end = begin + (rows - 1) * strides[0] + kh;
    const inside = [Math.max(0, begin), Math.min(height, end)] as const;
    const pads = { ints: [inside[0] - begin, 0, end - inside[1], 0] };
    return convOfBlocks([window(images, group, inside, columns, ctx), part], { ...attrs, pads }, ctx);
  });
  const sum = sums.length === 1 ? sums[0]! : onnx.op('Sum', sums);
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

/** Images blocked over n as a convolution's input is over channels: `lines` is [G, C N / G / b, H, W b]. */
interface BlockedImages {
  readonly lines: string;
  readonly groups: number;
  readonly shape: readonly [number, number, number, number];
}

/** [N, H, W, C] as `C` images of N / groups channels for each group. */
function imagesInBlocks(value: Value, groups: number, ctx: LoweringContext): BlockedImages {
  const [n, h, w, c] = value.shape as [number, number, number, number];
  const { block: b } = ctx;
  const blocks = toBlocks(ctx.reshape(ctx.get(value, 'NCHW'), [1, n, 1, c * h * w]), ctx);
  const perGroup = n / groups / b;
  const byChannel =
    perGroup === 1 ? blocks : ctx.transpose(ctx.reshape(blocks, [groups, perGroup, c, h * w * b]), [0, 2, 1, 3]);
  return { lines: ctx.reshape(byChannel, [groups, c * perGroup, h, w * b]), groups, shape: [c, n / groups, h, w] };
}

/** Rows `top` up to `bottom` of one group, with zeros to the left and right, [C, N / groups, bottom - top, W']. */
function window(
  { lines, groups, shape: [c, n, h, w] }: BlockedImages,
  group: number,
  [top, bottom]: readonly [number, number],
  [left, right]: readonly [number, number],
  ctx: LoweringContext,
): string {
  const { block: b, onnx } = ctx;
  const before = [-group, 0, -top, left * b];
  const after = [group + 1 - groups, 0, bottom - h, right * b];
  const padded = onnx.op('Pad', [lines, onnx.ints([...before, ...after]), onnx.float(0)]);
  return ctx.reshape(padded, [c, n, bottom - top, w + left + right]);
}

/**
 * [N, H, W, C] as `C` filters over N / groups blocked channels, [C / b, N / groups / b, H', W', b of N, b of C], for
 * each strip of H' = H / strips rows of each group.
 */
function imagesAsFilters(value: Value, { groups, strips }: Parts, ctx: LoweringContext): readonly string[] {
  const [n, h, w, c] = value.shape as [number, number, number, number];
  const { block: b, onnx } = ctx;
  const shape = [c, n / groups, h / strips, w];
  const blocks = toBlocks(ctx.get(value, 'NCHW'), ctx);
  const apart = ctx.reshape(blocks, [groups, n / groups / b, b, c / b, strips, (h * w) / strips, b]);
  const parts = ctx.transpose(apart, [0, 4, 3, 1, 5, 2, 6]);
  const count = groups * strips;
  if (count === 1) return [ctx.reshape(parts, shape)];
  const lengths = onnx.ints(Array<number>(count).fill(1));
  const options = { attrs: { axis: { int: 0 } }, outputs: count };
  const split = onnx.ops('Split', [ctx.reshape(parts, [count, (c * n * h * w) / count]), lengths], options);
  return split.map((part) => ctx.reshape(part, shape));
}
