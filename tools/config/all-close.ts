/** `expect(actual).toBeAllClose(expected, ...)`: numbers within a tolerance of each other, for every test. */
import { expect } from 'vitest';

export interface AllCloseOptions {
  /** Relative tolerance. Default 0. */
  readonly rtol?: number;
  /** Absolute tolerance. Default 0. */
  readonly atol?: number;
  /**
   * What `rtol` is relative to: each expected element (default, as in NumPy's `assert_allclose`), the largest finite
   * element of its array, or the Euclidean norm of its array. With 'norm' the norm of the difference is compared, so one
   * element may differ more.
   */
  readonly relativeTo?: 'element' | 'largest' | 'norm';
  /** `rtol` is relative to this at least. Default 0. */
  readonly floor?: number;
  /**
   * A further tolerance relative to the norm of all arrays together. For results that belong together, such as gradients,
   * some of which are zero in exact arithmetic. Default 0.
   */
  readonly rtolOfAll?: number;
}

interface Shaped {
  readonly dtype?: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Numbers, an array with a shape, or several of these by name. */
export type Comparable = ArrayLike<number> | Shaped | Readonly<Record<string, Shaped>>;

declare module 'vitest' {
  // oxlint-disable-next-line no-explicit-any -- vitest declares the parameter so, and both declarations must be the same
  interface Matchers<T = any> {
    /**
     * Same names, shapes, and dtypes, and |actual - expected| <= atol + rtol max(floor, scale) + rtolOfAll |all expected| in
     * every element, with the scale of `relativeTo`. NaN equals NaN; an infinity equals itself only. A failure names the worst element, both
     * values, and the tolerance.
     */
    toBeAllClose(expected: Comparable, options: AllCloseOptions): void;
  }
}

const isNumbers = (value: Comparable): value is ArrayLike<number> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

const isShaped = (value: object): value is Shaped => 'shape' in value && 'data' in value;

/** [name, array] of each; the shape of plain numbers is their number. */
function arraysOf(value: Comparable): [string, Shaped][] {
  if (isNumbers(value)) return [['', { shape: [value.length], data: value }]];
  if (isShaped(value)) return [['', value]];
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

interface Mismatch {
  /** How many times the tolerance. */
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

/** |actual - expected|; 0 for the same infinity and for NaN twice, infinite if just one is NaN. */
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
