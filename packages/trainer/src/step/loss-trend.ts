/**
 * Detects divergence with finite losses: the loss rises far above its earlier values.
 *
 *   smoothed loss after step s:   L_s = sum_i d^(s-i) loss_i / sum_i d^(s-i),   d = 0.95, about 20 steps
 *   running minimum:              M_s = min(L_1, ..., L_s)
 *   an episode begins with        L_s > 10 M_s     and ends with     L_s <= 5 M_s
 *
 * The loss is the weighted mean that the optimizer minimizes, of steps whose update was not skipped. A curriculum in stages
 * adds harder noise levels at once, so the trend begins again with each stage.
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
  private stage: number | undefined;

  /** The argument is the `state` of an earlier trend. */
  constructor([sum = 0, weight = 0, minimum = 0, isDiverged = 0, stage]: readonly number[] = []) {
    this.sum = sum;
    this.weight = weight;
    this.minimum = weight === 0 ? Infinity : minimum;
    this.isDiverged = isDiverged !== 0;
    this.stage = stage;
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

  /** The stage of the curriculum from which the next step is drawn; undefined if it has none. */
  enterStage(stage: number | undefined): void {
    if (this.stage !== undefined && stage !== this.stage) {
      [this.sum, this.weight, this.minimum, this.isDiverged] = [0, 0, Infinity, false];
    }
    this.stage = stage;
  }

  /** Set during an episode. */
  get divergence(): Divergence | undefined {
    return this.isDiverged ? { smoothed: this.sum / this.weight, minimum: this.minimum } : undefined;
  }

  /** The state of the trend, for a checkpoint; empty before the first step. */
  state(): number[] {
    const { sum, weight, minimum, isDiverged, stage } = this;
    const ofStage = stage === undefined ? [] : [stage];
    if (weight > 0) return [sum, weight, minimum, Number(isDiverged), ...ofStage];
    return stage === undefined ? [] : [0, 0, 0, 0, stage];
  }
}

/** The smoothed loss of a state, undefined if it has none, as in checkpoints of older versions; and its stage. */
export function smoothedLoss([sum, weight, _minimum, _isDiverged, stage]: readonly number[] = []): {
  readonly loss: number | undefined;
  readonly stage: number | undefined;
} {
  return { loss: sum === undefined || weight === undefined || weight === 0 ? undefined : sum / weight, stage };
}

/** The name of the state of `LossTrend` in a checkpoint's log. */
export const lossTrendKey = 'lossTrend';
