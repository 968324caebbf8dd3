/** The matcher `expect(actual).toBeAllClose(expected, options)`: arrays are equal within a tolerance. */
import { expect } from 'vitest';

export interface AllCloseOptions {
  /** Relative tolerance. Default 0. */
  readonly rtol?: number;
  /** Absolute tolerance. Default 0. */
  readonly atol?: number;
  /**
   * The scale of `rtol`: each expected element (default, as in NumPy's `assert_allclose`), the largest finite element
   * of the expected array, or its Euclidean norm. With 'norm', the norm of the difference is compared, so single
   * elements may differ more.
   */
  readonly relativeTo?: 'element' | 'largest' | 'norm';
  /** Lower bound of the scale of `rtol`. Default 0. */
  readonly floor?: number;
  /**
   * Additional absolute tolerance, relative to the norm of all expected arrays together. For sets of arrays, such as
   * gradients, of which some are zero in exact arithmetic. Default 0.
   */
  readonly rtolOfAll?: number;
}

interface Shaped {
  readonly dtype?: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Plain numbers, an array with a shape, or several arrays by name. */
export type Comparable = ArrayLike<number> | Shaped | Readonly<Record<string, Shaped>>;

declare module 'vitest' {
  // oxlint-disable-next-line no-explicit-any -- must be identical to vitest's declaration
  interface Matchers<T = any> {
    /**
     * Passes if names, shapes, and dtypes are equal, and every element satisfies
     *
     *   |actual - expected| <= atol + rtol max(floor, scale) + rtolOfAll |all expected|
     *
     * with the scale selected by `relativeTo`. NaN equals NaN, and an infinity equals itself. A failure reports the
     * worst element, both values, and the tolerance.
     */
    toBeAllClose(expected: Comparable, options: AllCloseOptions): void;
  }
}

const isNumbers = (value: Comparable): value is ArrayLike<number> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

const isShaped = (value: object): value is Shaped => 'shape' in value && 'data' in value;

/** [name, array] pairs; plain numbers get the shape [length]. */
function arraysOf(value: Comparable): [string, Shaped][] {
  if (isNumbers(value)) return [['', { shape: [value.length], data: value }]];
  if (isShaped(value)) return [['', value]];
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

interface Mismatch {
  /** The difference divided by the tolerance. */
  readonly excess: number;
  readonly message: string;
}

const norm = (data: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]! ** 2;
  return Math.sqrt(sum);
};

function largest(data: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < data.length; i++) if (Number.isFinite(data[i])) most = Math.max(most, Math.abs(data[i]!));
  return most;
}

/** |actual - expected|; 0 if both are NaN or the same infinity, Infinity if only one is NaN. */
function distance(actual: number, expected: number): number {
  if (Object.is(actual, expected)) return 0;
  const difference = Math.abs(actual - expected);
  return Number.isNaN(difference) ? Infinity : difference;
}

const excessOf = (difference: number, allowed: number): number =>
  difference <= allowed ? 0 : difference / Math.max(allowed, Number.MIN_VALUE);

function compareArray(
  name: string,
  actual: Shaped,
  expected: Shaped,
  { rtol = 0, atol = 0, relativeTo = 'element', floor = 0 }: AllCloseOptions,
): Mismatch | undefined {
  const kind = ({ dtype, shape }: Shaped): string => `${dtype ?? ''}[${shape.join(', ')}]`;
  const isSameDtype = actual.dtype === undefined || expected.dtype === undefined || actual.dtype === expected.dtype;
  const isSameShape = actual.shape.join() === expected.shape.join() && actual.data.length === expected.data.length;
  if (!isSameDtype || !isSameShape) {
    return { excess: Infinity, message: `${name || 'array'} is ${kind(actual)}, expected ${kind(expected)}` };
  }
  const tolerance = `atol ${atol}, rtol ${rtol}${relativeTo === 'element' ? '' : ` of the ${relativeTo}`}`;
  if (relativeTo === 'norm') {
    const scale = norm(expected.data);
    const difference = norm(Array.from(actual.data, (value, i) => distance(value, expected.data[i]!)));
    const allowed = atol + rtol * Math.max(floor, scale);
    const excess = excessOf(difference, allowed);
    if (excess === 0) return undefined;
    return { excess, message: `${name || 'array'}: |difference| ${difference}, allowed ${allowed} (${tolerance})` };
  }
  const most = relativeTo === 'largest' ? largest(expected.data) : 0;
  let worst: Mismatch | undefined;
  let count = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const [a, e] = [actual.data[i]!, expected.data[i]!];
    const scale = relativeTo === 'largest' ? most : Number.isFinite(e) ? Math.abs(e) : 0;
    const allowed = atol + rtol * Math.max(floor, scale);
    const excess = excessOf(distance(a, e), allowed);
    if (excess === 0) continue;
    count++;
    if (worst !== undefined && excess <= worst.excess) continue;
    worst = { excess, message: `${name}[${i}] is ${a}, expected ${e}, allowed difference ${allowed} (${tolerance})` };
  }
  if (worst === undefined) return undefined;
  return { ...worst, message: `${worst.message}; ${count} of ${expected.data.length} elements are not close` };
}

expect.extend({
  toBeAllClose(actual: Comparable, expected: Comparable, options: AllCloseOptions) {
    const [got, want] = [arraysOf(actual), arraysOf(expected)];
    const names = (arrays: typeof got): string => arrays.map(([name]) => name).join(', ');
    if (names(got) !== names(want)) {
      return { pass: false, message: () => `has the arrays ${names(got)}, expected ${names(want)}` };
    }
    const { atol: least = 0, rtolOfAll } = options;
    const atol = rtolOfAll === undefined ? least : least + rtolOfAll * norm(want.map(([, { data }]) => norm(data)));
    const worst = want
      .map(([name, array], i) => compareArray(name, got[i]![1], array, { ...options, atol }))
      .reduce((a, b) => (b !== undefined && b.excess > (a?.excess ?? 0) ? b : a), undefined);
    return { pass: worst === undefined, message: () => worst?.message ?? 'all elements are close' };
  },
});
