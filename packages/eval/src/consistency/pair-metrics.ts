import { checkChoice } from '@dm/ops';
import { EvalError } from '../errors.js';
import { ssimOf } from './ssim.js';

export type PairMetricName = 'cosine' | 'mae' | 'psnr' | 'ssim';

export interface PairMetric {
  readonly higherIsCloser: boolean;
  /** Prepares the rows of two sets; the function compares row n of `a` with row m of `b`. */
  readonly comparison: (
    a: readonly Float64Array[],
    b: readonly Float64Array[],
    names: readonly [string, string],
  ) => (n: number, m: number) => number;
}

export interface PairMetricOptions {
  /** Shape of a sample; SSIM requires [H, W, C]. */
  readonly shape: readonly number[];
  /** For PSNR and SSIM: difference of the highest and the lowest possible value, 2 for [-1, 1], 255 for bytes. */
  readonly dataRange: number;
  readonly center: 'set' | 'image';
}

const METRICS: Readonly<Record<PairMetricName, (options: PairMetricOptions) => PairMetric>> = {
  cosine: ({ center }) => cosine(center),
  mae: () => ({ higherIsCloser: false, comparison: (a, b) => (n, m) => meanAbsoluteError(a[n]!, b[m]!) }),
  psnr: ({ dataRange }) => ({ higherIsCloser: true, comparison: (a, b) => (n, m) => psnr(a[n]!, b[m]!, dataRange) }),
  ssim: ({ shape: [height, width, channels, ...rest], dataRange }) => {
    if (height === undefined || width === undefined || channels === undefined || rest.length > 0) {
      throw new RangeError('SSIM compares images: the shape of a sample must be [H, W, C].');
    }
    const { windows, similarity } = ssimOf({ shape: [height, width, channels], dataRange });
    return {
      higherIsCloser: true,
      comparison(a, b) {
        const [x, y] = [a.map(windows), b.map(windows)];
        return (n, m) => similarity(x[n]!, y[m]!);
      },
    };
  },
};

/**
 * The metric with this name. All sums are in float64.
 * @throws {RangeError} if the name or an option is unknown
 */
export function pairMetric(name: PairMetricName, options: PairMetricOptions): PairMetric {
  // The name may come from a configuration file, which the compiler does not check.
  if (!Object.hasOwn(METRICS, name)) {
    throw new RangeError(`Unknown metric '${name}'; known: ${Object.keys(METRICS).join(', ')}.`);
  }
  return METRICS[name](options);
}

/**
 * Mean of |x - y|.
 * @throws {RangeError} if the lengths differ
 */
export function meanAbsoluteError(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkLengths('meanAbsoluteError', x, y);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(x[i]! - y[i]!);
  return sum / x.length;
}

function checkLengths(owner: string, x: ArrayLike<number>, y: ArrayLike<number>): void {
  if (x.length === y.length && x.length > 0) return;
  throw new RangeError(
    `${owner}: images must have the same number of values, at least 1, got ${x.length} and ${y.length}`,
  );
}

/**
 * Peak signal-to-noise ratio, 10 log10(range^2 / MSE) in dB; Infinity for equal images.
 * @throws {RangeError} if the lengths differ
 */
export function psnr(x: ArrayLike<number>, y: ArrayLike<number>, dataRange: number): number {
  checkLengths('psnr', x, y);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! - y[i]!) ** 2;
  return 10 * Math.log10((dataRange * dataRange * x.length) / sum);
}

/**
 * <x, y> / (|x| |y|) after subtracting the mean image of both sets ('set'), so that what all images share does not
 * count as agreement, or each image's mean ('image'), which gives Pearson's correlation.
 */
function cosine(center: 'set' | 'image'): PairMetric {
  checkChoice('cosine: center', center, ['set', 'image']);
  return {
    higherIsCloser: true,
    comparison(a, b, names) {
      const centered = center === 'set' ? removeSetMean(a, b) : [a.map(removeOwnMean), b.map(removeOwnMean)];
      const [x, y] = [centered[0]!.map(unit(names[0], a)), centered[1]!.map(unit(names[1], b))];
      return (n, m) => dot(x[n]!, y[m]!);
    },
  };
}

function removeSetMean(a: readonly Float64Array[], b: readonly Float64Array[]): readonly Float64Array[][] {
  const mean = new Float64Array(a[0]!.length);
  for (const row of [...a, ...b]) row.forEach((value, i) => (mean[i]! += value));
  const count = a.length + b.length;
  const centered = (rows: readonly Float64Array[]) =>
    rows.map((row) => row.map((value, i) => value - mean[i]! / count));
  return [centered(a), centered(b)];
}

function removeOwnMean(row: Float64Array): Float64Array {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  return row.map((value) => value - mean);
}

/**
 * Divides by the norm. A residual of rounding size (relative to the original image) has no direction and raises an
 * error.
 */
function unit(name: string, originals: readonly Float64Array[]) {
  return (row: Float64Array, n: number): Float64Array => {
    const norm = Math.sqrt(dot(row, row));
    const scale = Math.sqrt(dot(originals[n]!, originals[n]!));
    if (norm <= 1e-12 * scale || norm === 0) {
      throw new EvalError(
        'SET_INVALID',
        `${name}: sample ${n} is constant after subtracting the mean, so its cosine is undefined.`,
      );
    }
    return row.map((value) => value / norm);
  };
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}
