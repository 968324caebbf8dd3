/** Throughput of a session, excluding the time for samples, checkpoints and evaluations. */

interface Totals {
  readonly seconds: number;
  readonly secondsWaited: number;
  readonly secondsExchanged: number;
  readonly steps: number;
}

export interface Throughput {
  readonly imagesPerSecond: number;
  /** Fraction of the step time spent waiting for data, in [0, 1]. */
  readonly dataWait: number;
  /** With several ranks: fraction of the step time of rank 0 spent waiting for other ranks and exchanging gradients, in [0, 1]. */
  readonly exchangeWait?: number;
  /** Seconds of training so far, over all sessions of the run. */
  readonly seconds: number;
}

export class ThroughputMeter {
  private totals: Totals = { seconds: 0, secondsWaited: 0, secondsExchanged: 0, steps: 0 };
  private totalsBefore = this.totals;

  /** `secondsBefore`: training time of earlier sessions, in seconds. */
  constructor(
    private readonly batchSize: number,
    private readonly secondsBefore: number,
  ) {}

  /** Adds a step that took `seconds`: `secondsWaited` for its batch, `secondsExchanged` for other ranks. */
  add(seconds: number, secondsWaited: number, secondsExchanged = 0): void {
    const { totals } = this;
    this.totals = {
      seconds: totals.seconds + seconds,
      secondsWaited: totals.secondsWaited + secondsWaited,
      secondsExchanged: totals.secondsExchanged + secondsExchanged,
      steps: totals.steps + 1,
    };
  }

  /** Discards the measurements so far: the first step of a session compiles and is not representative. */
  restart(): void {
    this.totalsBefore = this.totals;
  }

  /** The throughput since the last call, or `restart`. */
  take(): Throughput {
    const { totals, totalsBefore } = this;
    const seconds = totals.seconds - totalsBefore.seconds;
    const exchanged = totals.secondsExchanged - totalsBefore.secondsExchanged;
    this.restart();
    return {
      imagesPerSecond: roundToFourDigits(((totals.steps - totalsBefore.steps) * this.batchSize) / seconds),
      dataWait: roundToFourDigits((totals.secondsWaited - totalsBefore.secondsWaited) / seconds),
      ...(totals.secondsExchanged > 0 && { exchangeWait: roundToFourDigits(exchanged / seconds) }),
      seconds: roundToFourDigits(this.secondsBefore + totals.seconds),
    };
  }
}

/** Rounds to four significant digits, enough for measured times. */
export function roundToFourDigits(value: number): number {
  return Number(value.toPrecision(4));
}
