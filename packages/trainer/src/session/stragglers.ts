/** The slowest of several ranks: all wait for it in every step. */
import { roundToFourDigits } from './throughput.js';

export interface Straggler {
  readonly slowestRank: number;
  /** Its time relative to the mean of all ranks, at least 1. */
  readonly slowdown: number;
}

export class StragglerMeter {
  private totals: number[] = [];

  /** Adds a step, with the seconds that the gradient took on each rank. */
  add(computed: readonly number[]): void {
    this.totals = computed.map((seconds, rank) => (this.totals[rank] ?? 0) + seconds);
  }

  /** Discards the measurements so far. */
  restart(): void {
    this.totals = [];
  }

  /** The slowest rank since the last call or `restart`; empty if no step was added. */
  take(): Straggler | Record<string, never> {
    const { totals } = this;
    if (totals.length === 0) return {};
    this.restart();
    const most = totals.reduce((max, seconds) => Math.max(max, seconds), 0);
    const mean = totals.reduce((sum, seconds) => sum + seconds, 0) / totals.length;
    return { slowestRank: totals.indexOf(most), slowdown: mean > 0 ? roundToFourDigits(most / mean) : 1 };
  }
}
