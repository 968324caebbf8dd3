// Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity"
// (doi:10.1109/TIP.2003.819861), as scikit-image's structural_similarity: sample or population (co)variance, only
// windows fully inside the image, mean over windows and channels.

import { checkPositive } from '@dm/ops';

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
  const { shape, dataRange, window = 'uniform', sampleCovariance = true } = options;
  const [height, width, channels] = shape;
  const taps = window === 'uniform' ? UNIFORM : GAUSSIAN;
  const side = taps.length;
  if (x.length !== height * width * channels || y.length !== x.length) {
    throw new RangeError(`SSIM: ${x.length} and ${y.length} numbers do not fit the shape [${shape.join(', ')}].`);
  }
  if (height < side || width < side) {
    throw new RangeError(`SSIM: images of ${height}x${width} are smaller than the ${side}x${side} window.`);
  }
  checkPositive('SSIM: dataRange', dataRange);
  const c1 = (K1 * dataRange) ** 2;
  const c2 = (K2 * dataRange) ** 2;
  // scikit-image uses the factor n / (n - 1), n = side^2, for both windows.
  const sample = sampleCovariance ? (side * side) / (side * side - 1) : 1;

  let sum = 0;
  for (let c = 0; c < channels; c++) {
    const px = plane(x, c, channels);
    const py = plane(y, c, channels);
    const ux = filter(px, height, width, taps);
    const uy = filter(py, height, width, taps);
    const xx = filter(multiply(px, px), height, width, taps);
    const yy = filter(multiply(py, py), height, width, taps);
    const xy = filter(multiply(px, py), height, width, taps);
    for (let i = 0; i < ux.length; i++) {
      const vx = sample * (xx[i]! - ux[i]! * ux[i]!);
      const vy = sample * (yy[i]! - uy[i]! * uy[i]!);
      const vxy = sample * (xy[i]! - ux[i]! * uy[i]!);
      const numerator = (2 * ux[i]! * uy[i]! + c1) * (2 * vxy + c2);
      sum += numerator / ((ux[i]! ** 2 + uy[i]! ** 2 + c1) * (vx + vy + c2)) / ux.length;
    }
  }
  return sum / channels;
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

function plane(image: ArrayLike<number>, channel: number, channels: number): Float64Array {
  return Float64Array.from({ length: image.length / channels }, (_, i) => image[i * channels + channel]!);
}

function multiply(x: Float64Array, y: Float64Array): Float64Array {
  return x.map((value, i) => value * y[i]!);
}

function gaussian(sigma: number, radius: number): Float64Array {
  const taps = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}
