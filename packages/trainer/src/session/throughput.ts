/** How fast a session trains, in the time of its steps alone: samples, checkpoints and evaluations are not in it. */

interface Totals {
  readonly seconds: number;
  readonly waited: number;
  readonly steps: number;
}

export interface Speed {
  readonly imagesPerSecond: number;
  /** Part of the time that the step stood waiting for data, in [0, 1]. */
  readonly dataWait: number;
  /** Seconds of training so far, over all sessions of the run. */
  readonly seconds: number;
}

export class ThroughputMeter {
  private totals: Totals = { seconds: 0, waited: 0, steps: 0 };
  private mark = this.totals;

  /** `secondsBefore`: of training in the sessions before this one. */
  constructor(
    private readonly batchSize: number,
    private readonly secondsBefore: number,
  ) {}

  /** One step took so many seconds, of which it waited so many for its data. */
  add(seconds: number, waited: number): void {
    const { totals } = this;
    this.totals = { seconds: totals.seconds + seconds, waited: totals.waited + waited, steps: totals.steps + 1 };
  }

  /** Leaves out what was so far: the first step of a session compiles and says nothing about the others. */
  restart(): void {
    this.mark = this.totals;
  }

  /** The speed since the last call, or `restart`. */
  take(): Speed {
    const { totals, mark } = this;
    const seconds = totals.seconds - mark.seconds;
    this.restart();
    return {
      imagesPerSecond: roundToFourDigits(((totals.steps - mark.steps) * this.batchSize) / seconds),
      dataWait: roundToFourDigits((totals.waited - mark.waited) / seconds),
      seconds: roundToFourDigits(this.secondsBefore + totals.seconds),
    };
  }
}

/** Four digits are enough for what a clock measured. */
export function roundToFourDigits(value: number): number {
  return Number(value.toPrecision(4));
}
