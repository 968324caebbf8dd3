/** The sums from which a run logs its steps: losses, their trend, and the throughput. Used in Node and in a browser. */
import type { MetricsRecord } from '../run/metrics-record.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { divergenceMultiple, LossTrend, lossTrendKey, type Divergence } from '../step/loss-trend.js';
import type { StepOutcome } from '../step/training-loop.js';
import { LogWindow, type WindowState } from './log-window.js';
import { roundToFourDigits, ThroughputMeter } from './throughput.js';

/** The fields of a line that only the caller knows. */
export interface OtherMetrics {
  /** What was measured after the step. */
  readonly measured: Pick<MetricsRecord, 'eval' | 'validation'>;
  /** Updates skipped since the start of the run. */
  readonly skipped: number;
  readonly ranks: Pick<MetricsRecord, 'ranks' | 'slowestRank' | 'slowdown'>;
  /** NaN if unknown. */
  readonly peakMb: number;
}

export class StepLog {
  private readonly window: LogWindow;
  private readonly trend: LossTrend;
  private readonly throughput: ThroughputMeter;
  private gradScale: number | undefined;

  /** `state` continues an earlier log; `secondsBefore` is the training time of earlier sessions, in seconds. */
  constructor(
    private readonly setup: TrainingSetup,
    state: WindowState | undefined,
    secondsBefore: number,
  ) {
    this.window = new LogWindow(setup.curriculum.numTimesteps, state);
    this.trend = new LossTrend(state?.[lossTrendKey]);
    this.throughput = new ThroughputMeter(setup.config.batchSize, secondsBefore);
  }

  /** Whether no step was added since the last line. */
  get isEmpty(): boolean {
    return this.window.isEmpty;
  }

  /** The loss relative to its minimum, if training has diverged. */
  get divergence(): Divergence | undefined {
    return this.trend.divergence;
  }

  /**
   * Adds a step; its loss only if its update was not skipped. Returns a note for the user if the loss has risen far above
   * its minimum with this step, or is back.
   */
  addStep({ step, sample, result, seconds, secondsWaited, curriculumState }: StepOutcome): string | undefined {
    this.throughput.add(seconds, secondsWaited, result.exchange?.seconds);
    this.gradScale = result.gradScale?.next;
    if (!result.isFinite) return undefined;
    this.window.add({ ...result, timesteps: sample.timesteps });
    const change = this.trend.add(result.loss);
    this.trend.enterStage(curriculumState?.['stage']?.[0]);
    if (change === undefined) return undefined;
    const { divergence } = this.trend;
    if (divergence === undefined) return `step ${step}: the loss is back near its minimum.`;
    return (
      `warning: at step ${step} ${describeDivergence(divergence)}, above the limit of ${divergenceMultiple}: ` +
      'training has probably diverged. The checkpoint with the lowest loss will not be deleted. Lower the ' +
      'learning rate (optimizer.lr), clip the gradient (optimizer.maxGradNorm=1), or warm up (optimizer.warmup=500).'
    );
  }

  /** Discards the throughput so far: the first step of a session compiles and is not representative. */
  restart(): void {
    this.throughput.restart();
  }

  /** The line of metrics.jsonl after `step` steps; the next one starts from here. */
  take(step: number, { measured, skipped, ranks, peakMb }: OtherMetrics): MetricsRecord {
    const { config, lr, momentum, averages } = this.setup;
    const { divergence } = this.trend;
    return {
      step,
      images: step * config.batchSize,
      ...this.window.take(),
      ...measured,
      ...(skipped > 0 && { skipped }),
      ...(this.gradScale !== undefined && { gradScale: this.gradScale }),
      ...(divergence !== undefined && { lossOverMinimum: roundToFourDigits(divergence.smoothed / divergence.minimum) }),
      lr: lr(step - 1),
      beta1: momentum(step - 1),
      emaDecay: averages[0]!.decay(step - 1),
      ...this.throughput.take(),
      ...ranks,
      peakMb,
    };
  }

  /** The state of the log, for a checkpoint. */
  state(): WindowState {
    return { ...this.window.state(), [lossTrendKey]: this.trend.state() };
  }
}

/** Such as `the loss (302, averaged over 20 steps) is 275 times its minimum so far (1.1)`. */
function describeDivergence({ smoothed, minimum }: Divergence): string {
  const [now, lowest, ratio] = [smoothed, minimum, smoothed / minimum].map((value) =>
    String(Number(value.toPrecision(3))),
  );
  return `the loss (${now}, averaged over about 20 steps) is ${ratio} times its minimum so far (${lowest})`;
}
