import { checkInRange } from '@dm/ops';
import { EvalError } from '../errors.js';
import { spearmanCorrelation, movingAverage, settlingTime } from './curves.js';
import type { NoiseBucket } from './noise-buckets.js';

/** Loss and gradient norm of each bucket at one training step, all on the same images and noise. */
export interface DifficultyRecord {
  /** Number of optimizer steps done. */
  readonly step: number;
  /** Unweighted mean loss per bucket. */
  readonly loss: readonly number[];
  /** Euclidean norm of the gradient of that loss. */
  readonly gradNorm: readonly number[];
}

export interface DifficultyOptions {
  /** Tolerances x of `TimeToWithin`, each in (0, 1). Default 0.05, 0.1 and 0.25. */
  readonly within?: readonly number[];
  /** Window of the moving average over records, odd. Default 3. */
  readonly window?: number;
  /** Fraction of the records, at the end, averaged to get final values; in (0, 1]. Default 0.1, at least one record. */
  readonly tail?: number;
}

/** When a bucket's loss settled within a tolerance of its final value. */
export interface TimeToWithin {
  /** The tolerance x, such as 0.1. */
  readonly within: number;
  /** Steps until the loss stays at or below (1 + x) * final; null if it never does. */
  readonly ofFinal: number | null;
  /** Steps until the loss stays at or below final + x * (first - final); null if it never does. */
  readonly ofDrop: number | null;
}

export interface BucketDifficulty extends NoiseBucket {
  readonly firstLoss: number;
  readonly finalLoss: number;
  readonly times: readonly TimeToWithin[];
  /** Gradient norm: mean over the run, and final value. */
  readonly meanGradNorm: number;
  readonly finalGradNorm: number;
  /** Smoothed curves, one value per record. */
  readonly loss: readonly number[];
  readonly gradNorm: readonly number[];
}

export interface DifficultyReport {
  readonly steps: readonly number[];
  readonly settings: Required<DifficultyOptions>;
  readonly buckets: readonly BucketDifficulty[];
  /**
   * Spearman's rank correlation, over the buckets, of the noise rate with each measure of difficulty: 1 if the measure
   * grows with noise, -1 if it falls. Null if the measure is equal for all buckets.
   */
  readonly rankCorrelations: Readonly<Record<string, number | null>>;
}

/**
 * How hard each range of noise levels is to learn: its final loss, the time until the loss settles, and its gradient
 * norm. Times are given relative to the final loss and to the drop of the loss, which may order the buckets
 * differently: if the loss falls a hundredfold, as for epsilon near pure noise, 10% of the final loss is 0.1% of the
 * drop.
 * @throws {EvalError} if there are fewer than two records, a record does not fit the buckets, or steps do not ascend
 * @throws {RangeError} if an option is out of range
 */
export function difficulty(
  buckets: readonly NoiseBucket[],
  records: readonly DifficultyRecord[],
  options: DifficultyOptions = {},
): DifficultyReport {
  const { within = [0.05, 0.1, 0.25], window = 3, tail = 0.1 } = options;
  checkRecords(buckets, records);
  within.forEach((fraction, i) => checkInRange(`difficulty: within[${i}]`, fraction, '(0, 1)'));
  checkInRange('difficulty: tail', tail, '(0, 1]');
  const steps = records.map(({ step }) => step);
  const atEnd = Math.max(1, Math.round(tail * records.length));
  const analyzed = buckets.map((bucket, b): BucketDifficulty => {
    const loss = movingAverage(
      records.map((record) => record.loss[b]!),
      window,
    );
    const gradNorm = records.map((record) => record.gradNorm[b]!);
    const [firstLoss, finalLoss] = [loss[0]!, mean(loss.slice(-atEnd))];
    return {
      ...bucket,
      firstLoss,
      finalLoss,
      times: within.map((share) => ({
        within: share,
        ofFinal: settlingTime(steps, loss, (1 + share) * finalLoss),
        ofDrop: settlingTime(steps, loss, finalLoss + share * (firstLoss - finalLoss)),
      })),
      meanGradNorm: mean(gradNorm),
      finalGradNorm: mean(gradNorm.slice(-atEnd)),
      loss,
      gradNorm: movingAverage(gradNorm, window),
    };
  });
  const noise = analyzed.map(({ noiseRate }) => noiseRate);
  const against = (measure: (bucket: BucketDifficulty) => number | null) =>
    spearmanCorrelation(noise, analyzed.map(measure));
  return {
    steps,
    settings: { within, window, tail },
    buckets: analyzed,
    rankCorrelations: {
      finalLoss: against(({ finalLoss }) => finalLoss),
      meanGradNorm: against(({ meanGradNorm }) => meanGradNorm),
      finalGradNorm: against(({ finalGradNorm }) => finalGradNorm),
      ...Object.fromEntries(
        within.flatMap((share, k) => [
          [`timeWithin${percent(share)}OfFinal`, against(({ times }) => times[k]!.ofFinal)],
          [`timeWithin${percent(share)}OfDrop`, against(({ times }) => times[k]!.ofDrop)],
        ]),
      ),
    },
  };
}

function checkRecords(buckets: readonly NoiseBucket[], records: readonly DifficultyRecord[]): void {
  if (records.length < 2)
    throw new EvalError('RECORDS_INVALID', `difficulty: needs at least 2 records, got ${records.length}.`);
  records.forEach(({ step, loss, gradNorm }, i) => {
    if (loss.length !== buckets.length || gradNorm.length !== buckets.length) {
      throw new EvalError(
        'RECORDS_INVALID',
        `The record of step ${step} has ${loss.length} losses and ${gradNorm.length} gradient norms for ` +
          `${buckets.length} buckets.`,
      );
    }
    if (i > 0 && step <= records[i - 1]!.step) {
      throw new EvalError(
        'RECORDS_INVALID',
        `The record of step ${step} follows the record of step ${records[i - 1]!.step}; steps must ascend.`,
      );
    }
  });
}

/** 5 for 0.05. */
function percent(share: number): number {
  return Number((100 * share).toPrecision(6));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
