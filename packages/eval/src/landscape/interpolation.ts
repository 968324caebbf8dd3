import { checkInteger, checkNumber } from '@dm/ops';
import { checkSize, type FlatVector, type Objective } from './objective.js';

export interface InterpolationOptions {
  /** Range of t: 0 is the first set of parameters, 1 the second. Default -0.25 to 1.25. */
  readonly from?: number;
  readonly to?: number;
  /** Number of evenly spaced values of t; 0 and 1 are added if they are in the range. Default 31. */
  readonly points?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Interpolation {
  /** Values of t, ascending; includes 0 and 1 if they are in the range. */
  readonly at: readonly number[];
  readonly loss: readonly number[];
  /**
   * The loss barrier of Frankle et al. 2020, arXiv:1912.05671: the largest excess of the loss on [0, 1] over the linear
   * interpolation of its end values, at least 0. Null if the range does not include 0 and 1.
   */
  readonly barrier: number | null;
}

/**
 * The loss along the line (1 - t) a + t b through two sets of parameters (Goodfellow et al. 2015, arXiv:1412.6544). At
 * 0 and 1 it is exactly the loss of a and b.
 * @throws {RangeError} if a or b has another size than the objective, from >= to, or points < 2
 */
export async function interpolate(
  objective: Objective,
  a: FlatVector,
  b: FlatVector,
  options: InterpolationOptions = {},
): Promise<Interpolation> {
  const { from = -0.25, to = 1.25, points = 31, onProgress } = options;
  checkSize(objective, 'the first end', a);
  checkSize(objective, 'the second end', b);
  checkNumber('interpolate: from', from, `below to, ${to}`, (v) => v < to);
  checkInteger('interpolate: points', points, 2);
  const step = (to - from) / (points - 1);
  const even = Array.from({ length: points }, (_, k) => from + k * step);
  const ends = [0, 1].filter((t) => t >= from && t <= to);
  // Drop values that differ from 0 or 1 only by rounding.
  const inner = even.filter((t) => ends.every((end) => Math.abs(t - end) > 1e-9 * (to - from)));
  const at = [...inner, ...ends].toSorted((x, y) => x - y);
  const loss: number[] = [];
  for (const t of at) {
    const params = t === 0 ? a : t === 1 ? b : Float64Array.from(a, (value, i) => (1 - t) * value + t * b[i]!);
    loss.push(await objective.loss(params));
    onProgress?.(loss.length, at.length);
  }
  return { at, loss, barrier: ends.length === 2 ? barrierOf(at, loss) : null };
}

function barrierOf(at: readonly number[], loss: readonly number[]): number {
  const [first, last] = [loss[at.indexOf(0)]!, loss[at.indexOf(1)]!];
  return at.reduce(
    (most, t, k) => (t < 0 || t > 1 ? most : Math.max(most, loss[k]! - ((1 - t) * first + t * last))),
    0,
  );
}
