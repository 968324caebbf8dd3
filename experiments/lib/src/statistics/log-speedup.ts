/** The speed-up of a recipe: how many more images the baseline needs for the same metric. */
import { monotoneCubic } from './monotone-cubic.js';

/**
 * log(images of the baseline) - log(images of the recipe) at an equal metric, of one seed. `atLeast` and `atMost` if only
 * a bound is known, `unknown` if not even that; the value then says nothing.
 */
export interface LogSpeedup {
  readonly value: number;
  readonly bound?: 'atLeast' | 'atMost' | 'unknown';
}

/** Which ends of an interval around the mean of log speed-ups are open, since only bounds of some of them are known. */
export function openEnds(speedups: readonly LogSpeedup[]): { readonly low: boolean; readonly high: boolean } {
  const has = (which: LogSpeedup['bound']) => speedups.some(({ bound }) => bound === which);
  return { low: has('atMost') || has('unknown'), high: has('atLeast') || has('unknown') };
}

/** A metric that falls during training, such as a loss, measured after increasing numbers of images. */
export interface MetricCurve {
  readonly images: readonly number[];
  readonly metric: readonly number[];
}

/**
 * The value that a metric approaches, such as the distance of training images to test images, and the standard deviation
 * with which it is known.
 */
export interface MetricFloor {
  readonly value: number;
  readonly spread: number;
}

/** Above a floor by less than this many spreads, a metric does not tell how long a model has trained. */
const floorSpreads = 3;

/**
 * The log speed-up of a recipe that reached `metric` after `images`, against the baseline's curve of the same seed. The
 * curve is made monotone and interpolated in the logarithms by a monotone cubic; linear interpolation would overestimate
 * the speed-up, since the curves are convex. Nothing is extrapolated: beyond the ends of the curve, or near the floor of
 * the metric, the result is a bound. It is unknown if both models are near the floor, the baseline from its first point on.
 *
 * @throws {RangeError} if the curve has fewer than two points or its images do not increase, or if a number is not positive
 */
export function logSpeedup(
  baseline: MetricCurve,
  { metric, images }: { readonly metric: number; readonly images: number },
  floor?: MetricFloor,
): LogSpeedup {
  const { x, y } = logCurve(baseline);
  checkPositive('metric', metric);
  checkPositive('images', images);
  const lowest = floor === undefined ? -Infinity : Math.log(floor.value + floorSpreads * floor.spread);
  // From here on, both models are near the floor.
  const target = Math.max(Math.log(metric), lowest);
  const isNearFloor = Math.log(metric) < lowest;
  const own = Math.log(images);
  const last = x.length - 1;
  if (isNearFloor && y[0]! <= lowest) return { value: 0, bound: 'unknown' };
  if (target > y[0]!) return { value: x[0]! - own, bound: 'atMost' };
  if (target < y[last]!) return { value: x[last]! - own, bound: 'atLeast' };
  return { value: firstAtOrBelow(x, y, target) - own, ...(isNearFloor && { bound: 'atLeast' as const }) };
}

/** The first x at which the interpolated curve, which does not increase, is at most `target`, by bisection. */
function firstAtOrBelow(x: readonly number[], y: readonly number[], target: number): number {
  const at = y.findIndex((value) => value <= target);
  if (at === 0 || y[at] === target) return x[at]!;
  const curve = monotoneCubic(x, y);
  let [low, high] = [x[at - 1]!, x[at]!];
  for (let middle = (low + high) / 2; low < middle && middle < high; middle = (low + high) / 2) {
    if (curve(middle) > target) low = middle;
    else high = middle;
  }
  return high;
}

/** Logarithms of a curve, the metric's replaced by its non-increasing least-squares fit. */
function logCurve({ images, metric }: MetricCurve): { readonly x: readonly number[]; readonly y: readonly number[] } {
  if (images.length !== metric.length || images.length < 2) {
    throw new RangeError(`A curve needs two or more points: got ${images.length} images and ${metric.length} metrics.`);
  }
  if (images.some((value, i) => i > 0 && !(value > images[i - 1]!))) {
    throw new RangeError(`The images of a curve must increase: got ${images.join(', ')}.`);
  }
  for (const value of metric) checkPositive('metric', value);
  checkPositive('images', images[0]!);
  return { x: images.map(Math.log), y: nonIncreasingFit(metric.map(Math.log)) };
}

/** Isotonic regression by pooling adjacent violators (Barlow et al. 1972), for a non-increasing sequence. */
export function nonIncreasingFit(values: readonly number[]): number[] {
  const blocks: { sum: number; count: number }[] = [];
  for (const value of values) {
    let block = { sum: value, count: 1 };
    for (let before = blocks.at(-1); before !== undefined; before = blocks.at(-1)) {
      if (before.sum / before.count >= block.sum / block.count) break;
      blocks.pop();
      block = { sum: before.sum + block.sum, count: before.count + block.count };
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ sum, count }) => Array.from({ length: count }, () => sum / count));
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0 && value < Infinity)) throw new RangeError(`${name} must be positive and finite, got ${value}.`);
}
