// Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity"
// (doi:10.1109/TIP.2003.819861), as scikit-image's structural_similarity: sample or population (co)variance, only
// windows fully inside the image, mean over windows and channels.

import { checkChoice, checkPositive } from '@dm/ops';

export interface SsimOptions {
  /** [H, W, C] of both images. */
  readonly shape: readonly [number, number, number];
  /** L, the difference of the highest and the lowest possible value: 2 for [-1, 1], 255 for bytes. */
  readonly dataRange: number;
  /** 'uniform' (default): 7x7 with equal weights, as scikit-image. 'gaussian': 11x11 with sigma 1.5, as the paper. */
  readonly window?: 'uniform' | 'gaussian';
  /**
   * Variances and covariances with n - 1 in the denominator (scikit-image's default) or, if false, with n, as in the
   * paper: scikit-image's `use_sample_covariance`. Default true.
   */
  readonly sampleCovariance?: boolean;
}

const K1 = 0.01;
const K2 = 0.03;
const UNIFORM = new Float64Array(7).fill(1 / 7);
const GAUSSIAN = gaussian(1.5, 5);

/**
 * Mean structural similarity of two images; 1 for equal images. (2 ux uy + C1)(2 vxy + C2) / ((ux^2 + uy^2 + C1)(vx +
 * vy + C2)), C1 = (.01 L)^2, C2 = (.03 L)^2.
 * @throws {RangeError} if an image does not fit the shape or is smaller than the window, or dataRange is not > 0
 */
export function meanSsim(x: ArrayLike<number>, y: ArrayLike<number>, options: SsimOptions): number {
  checkFit([x, y], options);
  const { windows, similarity } = ssimOf(options);
  return similarity(windows(x), windows(y));
}

/** What the similarity needs of a channel of an image: its values, and the means in all windows of them and their squares. */
export interface SsimChannel {
  readonly values: Float64Array;
  readonly means: Float64Array;
  readonly squares: Float64Array;
}

/**
 * `meanSsim` in two parts, for comparing each of many images with many others: what depends on one image is computed once.
 * @throws {RangeError} as `meanSsim`; `windows` if the image does not fit the shape
 */
export function ssimOf(options: SsimOptions): {
  readonly windows: (image: ArrayLike<number>) => readonly SsimChannel[];
  readonly similarity: (x: readonly SsimChannel[], y: readonly SsimChannel[]) => number;
} {
  const { shape, dataRange, window = 'uniform', sampleCovariance = true } = options;
  const [height, width, channels] = shape;
  checkChoice('SSIM: window', window, ['uniform', 'gaussian']);
  const taps = window === 'uniform' ? UNIFORM : GAUSSIAN;
  const side = taps.length;
  if (height < side || width < side) {
    throw new RangeError(`SSIM: images of ${height}x${width} are smaller than the ${side}x${side} window.`);
  }
  checkPositive('SSIM: dataRange', dataRange);
  const c1 = (K1 * dataRange) ** 2;
  const c2 = (K2 * dataRange) ** 2;
  // scikit-image uses the factor n / (n - 1), n = side^2, for both windows.
  const sample = sampleCovariance ? (side * side) / (side * side - 1) : 1;
  const means = (values: Float64Array) => filter(values, height, width, taps);
  return {
    windows(image) {
      checkFit([image], options);
      return Array.from({ length: channels }, (_, c) => {
        const values = plane(image, c, channels);
        return { values, means: means(values), squares: means(multiply(values, values)) };
      });
    },
    similarity(a, b) {
      let sum = 0;
      for (const [c, x] of a.entries()) {
        const y = b[c]!;
        const [ux, uy] = [x.means, y.means];
        const xy = means(multiply(x.values, y.values));
        for (let i = 0; i < ux.length; i++) {
          const vx = sample * (x.squares[i]! - ux[i]! * ux[i]!);
          const vy = sample * (y.squares[i]! - uy[i]! * uy[i]!);
          const vxy = sample * (xy[i]! - ux[i]! * uy[i]!);
          const numerator = (2 * ux[i]! * uy[i]! + c1) * (2 * vxy + c2);
          sum += numerator / ((ux[i]! ** 2 + uy[i]! ** 2 + c1) * (vx + vy + c2)) / ux.length;
        }
      }
      return sum / channels;
    },
  };
}

function checkFit(images: readonly ArrayLike<number>[], { shape }: SsimOptions): void {
  const size = shape[0] * shape[1] * shape[2];
  if (images.every(({ length }) => length === size)) return;
  const lengths = images.map(({ length }) => length).join(' and ');
  throw new RangeError(`SSIM: ${lengths} numbers do not fit the shape [${shape.join(', ')}].`);
}

/** Separable convolution, only at positions with the window fully inside the image. */
function filter(image: Float64Array, height: number, width: number, taps: Float64Array): Float64Array {
  const outWidth = width - taps.length + 1;
  const outHeight = height - taps.length + 1;
  const rows = new Float64Array(height * outWidth);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outWidth; x++) {
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k]! * image[y * width + x + k]!;
      rows[y * outWidth + x] = sum;
    }
  }
  const out = new Float64Array(outHeight * outWidth);
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k]! * rows[(y + k) * outWidth + x]!;
      out[y * outWidth + x] = sum;
    }
  }
  return out;
}

// Loops, since these take most of the time: `Float64Array.from` and `map` are several times slower.

function plane(image: ArrayLike<number>, channel: number, channels: number): Float64Array {
  const out = new Float64Array(image.length / channels);
  for (let i = 0; i < out.length; i++) out[i] = image[i * channels + channel]!;
  return out;
}

function multiply(x: Float64Array, y: Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! * y[i]!;
  return out;
}

function gaussian(sigma: number, radius: number): Float64Array {
  const taps = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}
