/** Image resampling as in Pillow: `Image.resize` of 8-bit images with BICUBIC or LANCZOS. */
import { checkChoice, checkInteger } from '@dm/ops';

/** A kernel that is 0 beyond `support` pixels. */
interface Filter {
  readonly support: number;
  readonly at: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const filters = {
  /** Cubic convolution with a = -0.5 (Catmull-Rom). Keys 1981, doi:10.1109/TASSP.1981.1163711. */
  bicubic: {
    support: 2,
    at(x) {
      const [a, d] = [-0.5, Math.abs(x)];
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos3: { support: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
} as const satisfies Record<string, Filter>;

export type ResampleFilter = keyof typeof filters;

/** Part of an image, in pixels. */
export interface Window {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

export interface ResampleOptions {
  /** [N, H, W, C] of the images. */
  readonly shape: readonly [number, number, number, number];
  readonly height: number;
  readonly width: number;
  readonly filter: ResampleFilter;
  /** The part of the resized images to return; pixels outside it are not computed. Default: all. */
  readonly crop?: Window;
}

/** Fractional bits of a weight. Pillow rounds weights to this precision, and pixels to uint8 after each pass. */
const FRACTION_BITS = 22;

/**
 * Resizes uint8 [N, H, W, C] to [N, height, width, C]. Target pixel i is centered at (i + 1/2) H / height; when
 * downscaling, the kernel is widened by H / height (antialiasing). Weights are normalized at the borders. Horizontal
 * pass first.
 * @throws {RangeError} if a size is below 1, the filter is unknown, or the crop leaves the image
 */
export function resampleImages(images: Uint8Array, options: ResampleOptions): Uint8Array {
  const steps = resampleSteps(images, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** As `resampleImages`, in steps of less than a millisecond, so that the caller can let the event loop run in between. */
export function* resampleSteps(images: Uint8Array, options: ResampleOptions): Generator<undefined, Uint8Array> {
  const { shape, height, width, filter: name } = options;
  checkInteger('resampleImages: height', height, 1);
  checkInteger('resampleImages: width', width, 1);
  checkChoice('resampleImages: filter', name, Object.keys(filters));
  const { top, left, ...size } = checkedCrop(options);
  const [count, fromHeight, fromWidth, channels] = shape;
  const filter = filters[name];
  const rows = kernelWeights(fromHeight, height, filter, { first: top, count: size.height });
  const columns = kernelWeights(fromWidth, width, filter, { first: left, count: size.width });
  // The rows that the vertical pass reads.
  const firstRow = rows.starts[0]!;
  const usedRows = rows.starts.at(-1)! + rows.lengths.at(-1)! - firstRow;
  const wide = new Uint8Array(count * usedRows * size.width * channels);
  for (let n = 0; n < count; n++) {
    const part = images.subarray((n * fromHeight + firstRow) * fromWidth * channels);
    yield* resampleRows(part, columns, wide.subarray(n * usedRows * size.width * channels), {
      rows: usedRows,
      channels,
    });
  }
  return yield* resampleColumns(wide, rows, { count, firstRow, usedRows, inner: size.width * channels });
}

function checkedCrop({ crop, height, width }: ResampleOptions): Window {
  if (crop === undefined) return { top: 0, left: 0, height, width };
  checkInteger('resampleImages: crop.height', crop.height, 1, height);
  checkInteger('resampleImages: crop.width', crop.width, 1, width);
  checkInteger('resampleImages: crop.top', crop.top, 0, height - crop.height);
  checkInteger('resampleImages: crop.left', crop.left, 0, width - crop.width);
  return crop;
}

/** Weights along one axis: target i is the product of `lengths[i]` samples from `starts[i]` with row i of `weights`. */
interface KernelWeights {
  readonly from: number;
  readonly count: number;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  /** [count, taps], with `FRACTION_BITS` fractional bits. */
  readonly weights: Int32Array;
  readonly taps: number;
}

/** Of targets `first` to `first + count - 1` of `to`. */
function kernelWeights(
  from: number,
  to: number,
  filter: Filter,
  { first, count }: { readonly first: number; readonly count: number },
): KernelWeights {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  // An axis that keeps its size is copied, as in Pillow.
  const support = from === to ? 0.5 : filter.support * stretch;
  const taps = Math.ceil(support) * 2 + 1;
  const [starts, lengths, weights] = [new Int32Array(count), new Int32Array(count), new Int32Array(count * taps)];
  for (let i = 0; i < count; i++) {
    const center = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const row = Float64Array.from({ length: end - start }, (_, k) => filter.at((start + k - center + 0.5) / stretch));
    const sum = row.reduce((total, weight) => total + weight, 0);
    starts[i] = start;
    lengths[i] = row.length;
    for (const [k, weight] of row.entries()) {
      const fixed = (weight / sum) * 2 ** FRACTION_BITS;
      weights[i * taps + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
  }
  return { from, count, starts, lengths, weights, taps };
}

/** Products per step. */
const STEP_PRODUCTS = 2 ** 15;

const HALF = 2 ** (FRACTION_BITS - 1);

/** A weighted sum with `FRACTION_BITS` fractional bits as a byte. */
function toByte(sum: number): number {
  const value = sum >> FRACTION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** The horizontal pass: uint8 [rows, from, channels] → `out` [rows, count, channels]. */
function* resampleRows(
  data: Uint8Array,
  { from, count, starts, lengths, weights, taps }: KernelWeights,
  out: Uint8Array,
  { rows, channels }: { readonly rows: number; readonly channels: number },
): Generator<undefined, void> {
  const stepRows = Math.ceil(STEP_PRODUCTS / (count * taps * channels));
  for (let row = 0; row < rows; row++) {
    if (row % stepRows === stepRows - 1) yield;
    for (let i = 0; i < count; i++) {
      const first = (row * from + starts[i]!) * channels;
      const [at, end] = [i * taps, i * taps + lengths[i]!];
      const place = (row * count + i) * channels;
      if (channels === 3) {
        // The usual case: three sums at a time.
        let [red, green, blue] = [HALF, HALF, HALF];
        for (let k = at, p = first; k < end; k++, p += 3) {
          const weight = weights[k]!;
          red += Math.imul(weight, data[p]!);
          green += Math.imul(weight, data[p + 1]!);
          blue += Math.imul(weight, data[p + 2]!);
        }
        out[place] = toByte(red);
        out[place + 1] = toByte(green);
        out[place + 2] = toByte(blue);
        continue;
      }
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        for (let k = at, p = first + c; k < end; k++, p += channels) sum += Math.imul(weights[k]!, data[p]!);
        out[place + c] = toByte(sum);
      }
    }
  }
}

interface ColumnsOptions {
  readonly count: number;
  /** The row of the image that is row 0 of the data. */
  readonly firstRow: number;
  readonly usedRows: number;
  /** Bytes per row. */
  readonly inner: number;
}

/** The vertical pass: uint8 [N, usedRows, inner] → [N, count, inner]. */
function* resampleColumns(
  data: Uint8Array,
  kernel: KernelWeights,
  { count, firstRow, usedRows, inner }: ColumnsOptions,
): Generator<undefined, Uint8Array> {
  const { starts, lengths, weights, taps, count: to } = kernel;
  const out = new Uint8Array(count * to * inner);
  const sums = new Int32Array(inner);
  const stepRows = Math.ceil(STEP_PRODUCTS / (taps * inner));
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < to; i++) {
      if (i % stepRows === stepRows - 1) yield;
      sums.fill(HALF);
      for (let k = 0; k < lengths[i]!; k++) {
        const weight = weights[i * taps + k]!;
        const at = (n * usedRows + starts[i]! - firstRow + k) * inner;
        for (let c = 0; c < inner; c++) sums[c]! += Math.imul(weight, data[at + c]!);
      }
      const place = (n * to + i) * inner;
      for (let c = 0; c < inner; c++) out[place + c] = toByte(sums[c]!);
    }
  }
  return out;
}
