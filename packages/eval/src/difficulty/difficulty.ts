import { checkInRange } from '@dm/ops';
import { EvalError } from '../errors.js';
import { spearmanCorrelation, movingAverage, settlingTime } from './curves.js';
import type { NoiseBucket } from './noise-buckets.js';

/** Loss and gradient of each bucket at one moment of a training, all on the same images and noise. */
export interface DifficultyRecord {
  /** Optimizer steps done. */
  readonly step: number;
  /** Mean loss, unweighted. */
  readonly loss: readonly number[];
  /** 2-norm of the gradient of that mean. */
  readonly gradNorm: readonly number[];
}

export interface DifficultyOptions {
  /** Shares x of the times to within x; default 0.05, 0.1 and 0.25. */
  readonly within?: readonly number[];
  /** Records of the centered mean that curves are smoothed with, odd. Default 3. */
  readonly window?: number;
  /** Share of the records, at the end, whose mean is the final value. Default 0.1, at least one record. */
  readonly tail?: number;
}

/** When a bucket's loss came to stay within a share x of its end. */
export interface TimeToWithin {
  /** x, such as 0.1. */
  readonly within: number;
  /** Steps until the loss stays at or below (1 + x) times the final loss; null where it never does. */
  readonly ofFinal: number | null;
  /** Steps until it has made, and keeps, all but the share x of its way from the first loss to the final one. */
  readonly ofDrop: number | null;
}

export interface BucketDifficulty extends NoiseBucket {
  readonly firstLoss: number;
  readonly finalLoss: number;
  readonly times: readonly TimeToWithin[];
  /** Mean over the run and at its end. */
  readonly meanGradNorm: number;
  readonly finalGradNorm: number;
  /** Smoothed, one value a record. */
  readonly loss: readonly number[];
  readonly gradNorm: readonly number[];
}

export interface DifficultyReport {
  readonly steps: readonly number[];
  readonly settings: Required<DifficultyOptions>;
  readonly buckets: readonly BucketDifficulty[];
  /**
   * Spearman's rank correlation, over the buckets, of the noise rate with each measure of difficulty: 1 where it grows
   * with the noise, -1 where it falls. Null where a measure does not tell the buckets apart.
   */
  readonly rankCorrelations: Readonly<Record<string, number | null>>;
}

/**
 * How hard each range of noise is to learn: how high its loss ends, how long it takes to come there, how large its
 * gradient is. Both senses of "within x %" are given, because they may order the buckets differently: where the loss falls
 * a hundredfold, as that of epsilon does near pure noise, 10 % of the final loss is 0.1 % of the way to it.
 * @throws {EvalError} on fewer than two records, records of other buckets, or steps that do not ascend
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
    throw new EvalError('RECORDS_INVALID', `Difficulty over ${records.length} record; at least 2 are needed.`);
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
        `The record of step ${step} follows that of step ${records[i - 1]!.step}; steps must ascend.`,
      );
    }
  });
}

/** 0.05 as 5. */
function percent(share: number): number {
  return Number((100 * share).toPrecision(6));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
