/** Sums over the steps between two log lines. A checkpoint keeps them, so a resumed run logs what an unbroken one would. */

/** What a step tells. */
export interface StepFigures {
  /** Weighted mean loss of the batch. */
  readonly loss: number;
  readonly gradNorm: number;
  /** Unweighted loss of each example, with its timestep. */
  readonly losses: ArrayLike<number>;
  readonly timesteps: ArrayLike<number>;
}

export interface WindowMeans {
  readonly loss: number;
  readonly gradNorm: number;
  readonly lossByQuarter: (number | null)[];
}

export type WindowState = Record<string, number[]>;

export class LogWindow {
  private steps = 0;
  private loss = 0;
  private gradNorm = 0;
  private quarterLoss = [0, 0, 0, 0];
  private quarterCount = [0, 0, 0, 0];

  /** `numTimesteps` is T, whose quarters are told apart; `state` continues a window. */
  constructor(
    private readonly numTimesteps: number,
    state?: WindowState,
  ) {
    if (state === undefined) return;
    [this.steps = 0, this.loss = 0, this.gradNorm = 0] = state['sums'] ?? [];
    this.quarterLoss = [...(state['quarterLoss'] ?? this.quarterLoss)];
    this.quarterCount = [...(state['quarterCount'] ?? this.quarterCount)];
  }

  add({ loss, gradNorm, losses, timesteps }: StepFigures): void {
    this.steps++;
    this.loss += loss;
    this.gradNorm += gradNorm;
    for (let i = 0; i < losses.length; i++) {
      const quarter = Math.min(3, Math.floor((4 * timesteps[i]!) / this.numTimesteps));
      this.quarterLoss[quarter]! += losses[i]!;
      this.quarterCount[quarter]! += 1;
    }
  }

  /** The means since the last call; the window is empty then. */
  take(): WindowMeans {
    const means = {
      loss: this.loss / this.steps,
      gradNorm: this.gradNorm / this.steps,
      lossByQuarter: this.quarterLoss.map((sum, q) =>
        this.quarterCount[q] === 0 ? null : sum / this.quarterCount[q]!,
      ),
    };
    this.steps = this.loss = this.gradNorm = 0;
    this.quarterLoss.fill(0);
    this.quarterCount.fill(0);
    return means;
  }

  state(): WindowState {
    return {
      sums: [this.steps, this.loss, this.gradNorm],
      quarterLoss: [...this.quarterLoss],
      quarterCount: [...this.quarterCount],
    };
  }
}
