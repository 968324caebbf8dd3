import { checkChoice, checkInteger } from '@dm/ops';
import { levelAt, logSnrs, timestepOfLogSnr, type NoiseSchedule } from '@dm/core';

/** The coordinate that is divided into equal parts. */
export const bucketCoordinates = ['timestep', 'logSnr'] as const;
export type BucketCoordinate = (typeof bucketCoordinates)[number];

/** A range of noise levels. */
export interface NoiseBucket {
  /** Timesteps in [from, to). */
  readonly from: number;
  readonly to: number;
  /**
   * Means over the bucket's timesteps: log-SNR ln(alpha^2 / sigma^2) (finite values only), and noise rate sigma in [0,
   * 1].
   */
  readonly logSnr: number;
  readonly noiseRate: number;
}

/**
 * `count` buckets from clean to noisy: equal parts of the timesteps, or of the log-SNR between its largest and smallest
 * finite value.
 * @throws {RangeError} if the coordinate is unknown, or a bucket would have no timestep
 */
export function noiseBuckets(
  schedule: NoiseSchedule,
  count: number,
  coordinate: BucketCoordinate = 'timestep',
): NoiseBucket[] {
  const { numTimesteps } = schedule;
  checkChoice('noiseBuckets: coordinate', coordinate, bucketCoordinates);
  checkInteger('number of noise buckets', count, 1, numTimesteps);
  const edges = coordinate === 'timestep' ? timestepEdges(numTimesteps, count) : logSnrEdges(schedule, count);
  const ratios = logSnrs(schedule);
  return edges.slice(0, -1).map((from, k) => {
    const to = edges[k + 1]!;
    if (to <= from) {
      throw new RangeError(`noiseBuckets: with ${count} buckets of equal log-SNR one has no timestep; use fewer.`);
    }
    const timesteps = Array.from({ length: to - from }, (_, i) => from + i);
    const finite = timesteps.map((t) => ratios[t]!).filter(Number.isFinite);
    return {
      from,
      to,
      logSnr: finite.length === 0 ? -Infinity : mean(finite),
      noiseRate: mean(timesteps.map((t) => levelAt(schedule, t).sigma)),
    };
  });
}

/** `count` evenly spaced timesteps of a bucket: the midpoints of equal parts. */
export function stratifiedTimesteps({ from, to }: Pick<NoiseBucket, 'from' | 'to'>, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => Math.floor(from + ((i + 0.5) * (to - from)) / count));
}

function timestepEdges(numTimesteps: number, count: number): number[] {
  return Array.from({ length: count + 1 }, (_, k) => Math.round((k * numTimesteps) / count));
}

function logSnrEdges(schedule: NoiseSchedule, count: number): number[] {
  const finite = [...logSnrs(schedule)].filter(Number.isFinite);
  const [high, low] = [finite[0]!, finite.at(-1)!];
  const inner = Array.from({ length: count - 1 }, (_, k) =>
    Math.ceil(timestepOfLogSnr(schedule, high + ((low - high) * (k + 1)) / count)),
  );
  return [0, ...inner, schedule.numTimesteps];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
