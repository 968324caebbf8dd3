/** How fast a session trains, in the time of its steps alone: samples, checkpoints and evaluations are not in it. */

interface Totals {
  readonly seconds: number;
  readonly secondsWaited: number;
  readonly steps: number;
}

export interface Throughput {
  readonly imagesPerSecond: number;
  /** Part of the time that the step stood waiting for data, in [0, 1]. */
  readonly dataWait: number;
  /** Seconds of training so far, over all sessions of the run. */
  readonly seconds: number;
}

export class ThroughputMeter {
  private totals: Totals = { seconds: 0, secondsWaited: 0, steps: 0 };
  private totalsBefore = this.totals;

  /** `secondsBefore`: of training in the sessions before this one. */
  constructor(
    private readonly batchSize: number,
    private readonly secondsBefore: number,
  ) {}

  /** One step took so many seconds, of which it waited so many for its batch. */
  add(seconds: number, secondsWaited: number): void {
    const { totals } = this;
    this.totals = {
      seconds: totals.seconds + seconds,
      secondsWaited: totals.secondsWaited + secondsWaited,
      steps: totals.steps + 1,
    };
  }

  /** Leaves out what was so far: the first step of a session compiles and says nothing about the others. */
  restart(): void {
    this.totalsBefore = this.totals;
  }

  /** The throughput since the last call, or `restart`. */
  take(): Throughput {
    const { totals, totalsBefore } = this;
    const seconds = totals.seconds - totalsBefore.seconds;
    this.restart();
    return {
      imagesPerSecond: roundToFourDigits(((totals.steps - totalsBefore.steps) * this.batchSize) / seconds),
      dataWait: roundToFourDigits((totals.secondsWaited - totalsBefore.secondsWaited) / seconds),
      seconds: roundToFourDigits(this.secondsBefore + totals.seconds),
    };
  }
}

/** Four digits are enough for what a clock measured. */
export function roundToFourDigits(value: number): number {
  return Number(value.toPrecision(4));
}
