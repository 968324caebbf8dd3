/** A line of metrics.jsonl. */

/** One line. Means are over the steps since the previous line. */
export interface MetricsRecord {
  /** Optimizer steps done, from 1. */
  readonly step: number;
  /** Images seen. */
  readonly images: number;
  /** Mean of the weighted losses that the optimizer minimizes. */
  readonly loss: number;
  /** Unweighted mean loss of the timesteps in each quarter of [0, T), from clean to noisy; null if none was drawn. */
  readonly lossByQuarter: readonly (number | null)[];
  /** The same for twenty equal parts of [0, T), and the number of examples drawn in each; missing in logs of old runs. */
  readonly lossByLevel?: readonly (number | null)[];
  readonly drawsByLevel?: readonly number[];
  /** Mean 2-norm of the gradient, before clipping. */
  readonly gradNorm: number;
  /** Metrics of samples by name, such as `FD-pixels`, with the weights after this step; present if they were evaluated. */
  readonly eval?: Readonly<Record<string, number>>;
  /**
   * Validation loss of the averaged weights after this step, if it was measured: the mean squared error of epsilon in each
   * range of log-SNR, from noisy to clean (null if the noise schedule has no timestep in it), and their geometric mean.
   */
  readonly validation?: { readonly geometricMean: number; readonly buckets: readonly (number | null)[] };
  /** Updates skipped since the start of the run because of a non-finite loss or gradient; absent if there are none. */
  readonly skipped?: number;
  /** The scale of the loss after this step; present if the loss is scaled (precision f16). */
  readonly gradScale?: number;
  /**
   * While training has diverged: the smoothed loss after this step, divided by its minimum so far (see `LossTrend`).
   * Otherwise absent.
   */
  readonly lossOverMinimum?: number;
  /** Learning rate and momentum (beta1) of the last step. */
  readonly lr: number;
  readonly beta1: number;
  readonly emaDecay: number;
  /** Throughput, excluding the time for samples and checkpoints. */
  readonly imagesPerSecond: number;
  /** Fraction of the step time spent waiting for data, in [0, 1]. */
  readonly dataWait: number;
  /** With several ranks: their number, and the fraction of the step time spent waiting for others and exchanging gradients. */
  readonly ranks?: number;
  readonly exchangeWait?: number;
  /** With several ranks: the rank whose gradients took longest, and its time relative to the mean of all. */
  readonly slowestRank?: number;
  readonly slowdown?: number;
  /** Seconds of training so far, over all sessions of the run. */
  readonly seconds: number;
  /** Peak resident set size of the process so far, in MiB. */
  readonly peakMb: number;
}

export function metricsLine(record: MetricsRecord): string {
  return `${JSON.stringify(record)}\n`;
}
