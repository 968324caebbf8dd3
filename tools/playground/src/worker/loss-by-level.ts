/** Running mean of the loss in equal ranges of the timestep. */
export class LossByLevel {
  readonly values: Float32Array;

  /** `smoothing` is the weight of the previous value, in [0, 1); the first loss of a range replaces it. */
  constructor(
    ranges: number,
    private readonly timesteps: number,
    private readonly smoothing: number,
  ) {
    this.values = new Float32Array(ranges).fill(Number.NaN);
  }

  /** Adds the losses [N] at timesteps [N], integers in [0, T). Losses that are not finite are left out. */
  add(timesteps: ArrayLike<number>, losses: ArrayLike<number>): void {
    for (let i = 0; i < losses.length; i++) {
      if (!Number.isFinite(losses[i])) continue;
      const range = Math.floor((timesteps[i]! * this.values.length) / this.timesteps);
      const before = this.values[range]!;
      this.values[range] = Number.isNaN(before)
        ? losses[i]!
        : this.smoothing * before + (1 - this.smoothing) * losses[i]!;
    }
  }
}
