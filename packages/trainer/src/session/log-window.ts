/** Sums over the steps between two log lines. Checkpoints include them, so a resumed run logs what an uninterrupted one would. */

/** The logged values of a step. */
export interface StepMetrics {
  /** Weighted mean loss of the batch. */
  readonly loss: number;
  readonly gradNorm: number;
  /** Unweighted loss of each example, and its timestep. */
  readonly losses: ArrayLike<number>;
  readonly timesteps: ArrayLike<number>;
}

export interface WindowMeans {
  readonly loss: number;
  readonly gradNorm: number;
  readonly lossByQuarter: (number | null)[];
  readonly lossByLevel: (number | null)[];
  readonly drawsByLevel: number[];
}

/** Number of equal parts of [0, T) in the finer statistics. */
const numLevels = 20;

export type WindowState = Record<string, number[]>;

export class LogWindow {
  private steps = 0;
  private loss = 0;
  private gradNorm = 0;
  private quarterLoss = [0, 0, 0, 0];
  private quarterCount = [0, 0, 0, 0];
  private levelLoss = Array.from({ length: numLevels }, () => 0);
  private levelCount = Array.from({ length: numLevels }, () => 0);

  /** `numTimesteps` is T; `state` continues an earlier window. */
  constructor(
    private readonly numTimesteps: number,
    state?: WindowState,
  ) {
    if (state === undefined) return;
    [this.steps = 0, this.loss = 0, this.gradNorm = 0] = state['sums'] ?? [];
    this.quarterLoss = [...(state['quarterLoss'] ?? this.quarterLoss)];
    this.quarterCount = [...(state['quarterCount'] ?? this.quarterCount)];
    // Missing in checkpoints of early versions.
    this.levelLoss = [...(state['levelLoss'] ?? this.levelLoss)];
    this.levelCount = [...(state['levelCount'] ?? this.levelCount)];
  }

  /** Whether no step was added since the last `take`. */
  get isEmpty(): boolean {
    return this.steps === 0;
  }

  add({ loss, gradNorm, losses, timesteps }: StepMetrics): void {
    this.steps++;
    this.loss += loss;
    this.gradNorm += gradNorm;
    for (let i = 0; i < losses.length; i++) {
      const quarter = Math.min(3, Math.floor((4 * timesteps[i]!) / this.numTimesteps));
      this.quarterLoss[quarter]! += losses[i]!;
      this.quarterCount[quarter]! += 1;
      const level = Math.min(numLevels - 1, Math.floor((numLevels * timesteps[i]!) / this.numTimesteps));
      this.levelLoss[level]! += losses[i]!;
      this.levelCount[level]! += 1;
    }
  }

  /** Returns the means since the last call and empties the window. */
  take(): WindowMeans {
    const means = {
      loss: this.loss / this.steps,
      gradNorm: this.gradNorm / this.steps,
      lossByQuarter: quotients(this.quarterLoss, this.quarterCount),
      // Four digits suffice for plots, and keep the forty numbers per line short.
      lossByLevel: quotients(this.levelLoss, this.levelCount).map((v) =>
        v === null ? null : Number(v.toPrecision(4)),
      ),
      drawsByLevel: [...this.levelCount],
    };
    this.steps = this.loss = this.gradNorm = 0;
    this.quarterLoss.fill(0);
    for (const sums of [this.quarterCount, this.levelLoss, this.levelCount]) sums.fill(0);
    return means;
  }

  state(): WindowState {
    return {
      sums: [this.steps, this.loss, this.gradNorm],
      quarterLoss: [...this.quarterLoss],
      quarterCount: [...this.quarterCount],
      levelLoss: [...this.levelLoss],
      levelCount: [...this.levelCount],
    };
  }
}

function quotients(sums: readonly number[], counts: readonly number[]): (number | null)[] {
  return sums.map((sum, i) => (counts[i] === 0 ? null : sum / counts[i]!));
}
