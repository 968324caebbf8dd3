/**
 * Detects divergence with finite losses: the loss rises far above its earlier values.
 *
 *   smoothed loss after step s:   L_s = sum_i d^(s-i) loss_i / sum_i d^(s-i),   d = 0.95, about 20 steps
 *   running minimum:              M_s = min(L_1, ..., L_s)
 *   an episode begins with        L_s > 10 M_s     and ends with     L_s <= 5 M_s
 *
 * The loss is the weighted mean that the optimizer minimizes, of steps whose update was not skipped.
 */

/** Ratios of the smoothed loss to its running minimum at which an episode begins and ends. */
export const divergenceMultiple = 10;
const recoveryMultiple = divergenceMultiple / 2;

const decay = 0.95;

/** The loss while it is far above its minimum. */
export interface Divergence {
  readonly smoothed: number;
  readonly minimum: number;
}

export class LossTrend {
  /** Decayed sums of the losses and of their weights. */
  private sum: number;
  private weight: number;
  private minimum: number;
  private isDiverged: boolean;

  /** The argument is the `state` of an earlier trend. */
  constructor([sum = 0, weight = 0, minimum = Infinity, isDiverged = 0]: readonly number[] = []) {
    this.sum = sum;
    this.weight = weight;
    this.minimum = minimum;
    this.isDiverged = isDiverged !== 0;
  }

  /** Adds the loss of a step. Returns whether an episode starts or ends with it. */
  add(loss: number): 'diverged' | 'recovered' | undefined {
    this.sum = decay * this.sum + loss;
    this.weight = decay * this.weight + 1;
    const smoothed = this.sum / this.weight;
    this.minimum = Math.min(this.minimum, smoothed);
    const was = this.isDiverged;
    this.isDiverged = smoothed > (was ? recoveryMultiple : divergenceMultiple) * this.minimum;
    if (this.isDiverged === was) return undefined;
    return was ? 'recovered' : 'diverged';
  }

  /** Set during an episode. */
  get divergence(): Divergence | undefined {
    return this.isDiverged ? { smoothed: this.sum / this.weight, minimum: this.minimum } : undefined;
  }

  /** The state of the trend, for a checkpoint; empty before the first step. */
  state(): number[] {
    return this.weight === 0 ? [] : [this.sum, this.weight, this.minimum, Number(this.isDiverged)];
  }
}

/** The smoothed loss of a state; undefined if it has none, as in checkpoints of older versions. */
export function smoothedLoss([sum, weight]: readonly number[] = []): number | undefined {
  return sum === undefined || weight === undefined ? undefined : sum / weight;
}

/** The name of the state of `LossTrend` in a checkpoint's log. */
export const lossTrendKey = 'lossTrend';
