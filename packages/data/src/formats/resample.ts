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

export interface ResampleOptions {
  /** [N, H, W, C] of the images. */
  readonly shape: readonly [number, number, number, number];
  readonly height: number;
  readonly width: number;
  readonly filter: ResampleFilter;
}

/** Fractional bits of a weight. Pillow rounds weights to this precision, and pixels to uint8 after each pass. */
const FRACTION_BITS = 22;

/**
 * Resizes uint8 [N, H, W, C] to [N, height, width, C]. Target pixel i is centered at (i + 1/2) H / height; when
 * downscaling, the kernel is widened by H / height (antialiasing). Weights are normalized at the borders. Horizontal
 * pass first.
 * @throws {RangeError} if a size is below 1, or the filter is unknown
 */
export function resampleImages(images: Uint8Array, options: ResampleOptions): Uint8Array {
  const { shape, height, width, filter } = options;
  checkInteger('resampleImages: height', height, 1);
  checkInteger('resampleImages: width', width, 1);
  checkChoice('resampleImages: filter', filter, Object.keys(filters));
  const [count, fromHeight, fromWidth, channels] = shape;
  const wide =
    fromWidth === width
      ? images
      : resampleAxis(images, kernelWeights(fromWidth, width, filters[filter]), count * fromHeight, channels);
  if (fromHeight === height) return wide === images ? images.slice() : wide;
  return resampleAxis(wide, kernelWeights(fromHeight, height, filters[filter]), count, width * channels);
}

/** Weights along one axis: target i is the product of `lengths[i]` samples from `starts[i]` with row i of `weights`. */
interface KernelWeights {
  readonly from: number;
  readonly to: number;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  /** [to, taps], with `FRACTION_BITS` fractional bits. */
  readonly weights: Int32Array;
  readonly taps: number;
}

function kernelWeights(from: number, to: number, filter: Filter): KernelWeights {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const support = filter.support * stretch;
  const taps = Math.ceil(support) * 2 + 1;
  const [starts, lengths, weights] = [new Int32Array(to), new Int32Array(to), new Int32Array(to * taps)];
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
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
  return { from, to, starts, lengths, weights, taps };
}

/** uint8 [outer, from, inner] → [outer, to, inner]. */
function resampleAxis(data: Uint8Array, kernel: KernelWeights, outer: number, inner: number): Uint8Array {
  const { from, to, starts, lengths, weights, taps } = kernel;
  const out = new Uint8ClampedArray(outer * to * inner);
  const sums = new Int32Array(inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < to; i++) {
      sums.fill(2 ** (FRACTION_BITS - 1));
      for (let k = 0; k < lengths[i]!; k++) {
        const weight = weights[i * taps + k]!;
        const at = (o * from + starts[i]! + k) * inner;
        for (let c = 0; c < inner; c++) sums[c]! += weight * data[at + c]!;
      }
      const place = (o * to + i) * inner;
      for (let c = 0; c < inner; c++) out[place + c] = sums[c]! >> FRACTION_BITS;
    }
  }
  return new Uint8Array(out.buffer);
}
