import { checkInteger, checkNumber } from '@dm/ops';
import { checkSize, type FlatVector, type Objective } from './objective.js';

export interface InterpolationOptions {
  /** Where the line begins and ends: 0 is the first set of parameters, 1 the second. Default -0.25 and 1.25. */
  readonly from?: number;
  readonly to?: number;
  /** Values, evenly spaced; 0 and 1 are added where they fall between. Default 31. */
  readonly points?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Interpolation {
  /** Ascending; 0 and 1 are among them where the line holds them. */
  readonly at: readonly number[];
  readonly loss: readonly number[];
  /**
   * The largest rise of the loss in [0, 1] above the straight line between its two ends, at least 0: the loss barrier of
   * Frankle et al. 2020, arXiv:1912.05671. Null where the line does not hold both ends.
   */
  readonly barrier: number | null;
}

/**
 * The loss along the straight line (1 - t) a + t b through two sets of parameters, and beyond them (Goodfellow et al.
 * 2015, arXiv:1412.6544). Its values at 0 and 1 are the losses of a and b themselves.
 * @throws {RangeError} if an end has another size than the objective, and on an empty line or fewer than 2 points
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
  // Rounding must not leave a value beside an end.
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
