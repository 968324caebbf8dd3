/**
 * Continuous noise levels: a coordinate x of the noise level, divided into T cells of equal width. The cells take the
 * place of timesteps (cell 0 is the cleanest), so every schedule also has a density over x: constant within each cell.
 * Densities with a quantile function in closed form use it instead, without a limited range.
 */
import { checkChoice, checkInRange, checkNumber } from './checks.js';

/**
 * Coordinates of a continuous noise level. With sigma the noise-to-signal ratio: `flowTime`, s = sigma / (1 + sigma) in
 * [0, 1]; `lnSigma`, ln sigma; `logSnr`, -2 ln sigma, which decreases with noise.
 */
export const continuousCoordinates = ['flowTime', 'lnSigma', 'logSnr'] as const;
export type ContinuousCoordinate = (typeof continuousCoordinates)[number];

/** The range of noise levels that is divided into `numTimesteps` cells. */
export interface ContinuousLevels {
  readonly coordinate: ContinuousCoordinate;
  /** Smallest coordinate; in [0, 1) for `flowTime`. */
  readonly min: number;
  /** Largest coordinate, > min; in (0, 1] for `flowTime`. */
  readonly max: number;
}

/** A distribution by its quantile function in closed form: the coordinate at each u in (0, 1). */
export interface ClosedForm {
  readonly coordinate: ContinuousCoordinate;
  readonly quantile: (u: number) => number;
}

/** @throws {RangeError} if the coordinate is unknown, or its range is empty or not possible */
export function checkLevels(owner: string, { coordinate, min, max }: ContinuousLevels): void {
  checkChoice(`${owner}: continuous.coordinate`, coordinate, continuousCoordinates);
  checkNumber(`${owner}: continuous.min`, min);
  checkNumber(`${owner}: continuous.max`, max, `a number > ${min}`, (v) => v > min);
  if (coordinate !== 'flowTime') return;
  checkInRange(`${owner}: continuous.min`, min, '[0, 1]');
  checkInRange(`${owner}: continuous.max`, max, '[0, 1]');
}

/** The coordinate at a fraction in [0, 1] of the range, from the cleanest level to the noisiest. */
export function atFraction({ coordinate, min, max }: ContinuousLevels, fraction: number): number {
  return coordinate === 'logSnr' ? max - (max - min) * fraction : min + (max - min) * fraction;
}

/** The cell [0, T) of a coordinate; coordinates outside the range belong to the first or the last cell. */
export function cellOf({ coordinate, min, max }: ContinuousLevels, numTimesteps: number, x: number): number {
  const fraction = (coordinate === 'logSnr' ? max - x : x - min) / (max - min);
  return Math.min(numTimesteps - 1, Math.max(0, Math.floor(fraction * numTimesteps)));
}

/** abar = 1 / (1 + sigma^2) at the center of each cell, from the cleanest: [T]. */
export function cellAlphasCumprod(levels: ContinuousLevels, numTimesteps: number): Float64Array {
  return Float64Array.from({ length: numTimesteps }, (_, t) => {
    const x = atFraction(levels, (t + 0.5) / numTimesteps);
    switch (levels.coordinate) {
      case 'flowTime':
        return (1 - x) ** 2 / ((1 - x) ** 2 + x ** 2);
      case 'lnSigma':
        return 1 / (1 + Math.exp(2 * x));
      case 'logSnr':
      default:
        return 1 / (1 + Math.exp(-x));
    }
  });
}

/** Converts a coordinate of a noise level; both ends of `flowTime` are infinite in the other two. */
export function convertCoordinate(x: number, from: ContinuousCoordinate, to: ContinuousCoordinate): number {
  if (from === to) return x;
  const lnSigma = from === 'lnSigma' ? x : from === 'logSnr' ? -x / 2 : Math.log(x) - Math.log1p(-x);
  if (to === 'flowTime') return 1 / (1 + Math.exp(-lnSigma));
  return to === 'lnSigma' ? lnSigma : -2 * lnSigma;
}

/** The closed form's coordinate at u in [0, 1), in the coordinate of `levels`. */
export function closedFormQuantile({ coordinate, quantile }: ClosedForm, levels: ContinuousLevels, u: number): number {
  // Half the smallest positive u: at 0 itself a quantile may be infinite.
  return convertCoordinate(quantile(Math.max(u, 2 ** -54)), coordinate, levels.coordinate);
}

/**
 * The quantile of the standard normal distribution at p in (0, 1), to a relative accuracy of about 1e-15. Wichura 1988,
 * Algorithm AS 241, https://doi.org/10.2307/2347330.
 */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(central, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const z = r <= 5 ? ratio(near, r - 1.6) : ratio(far, r - 5);
  return q < 0 ? -z : z;
}

type Rational = readonly [numerator: readonly number[], denominator: readonly number[]];

const ratio = ([numerator, denominator]: Rational, x: number): number => poly(numerator, x) / poly(denominator, x);
const poly = (coefficients: readonly number[], x: number): number =>
  coefficients.reduceRight((sum, c) => sum * x + c, 0);

const central: Rational = [
  [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
    33430.57558358813, 2509.0809287301227,
  ],
  [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852854,
  ],
];
const near: Rational = [
  [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9,
  ],
];
const far: Rational = [
  [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
    0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
  ],
  [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5,
    1.421511758316446e-7, 2.0442631033899397e-15,
  ],
];
