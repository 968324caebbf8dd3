/** Timesteps to train on with the importance weights of their losses. Both have one entry a training example. */
export interface TimestepSample {
  /** Integers in [0, T). */
  readonly timesteps: Int32Array;
  readonly weights: Float32Array;
}

/** State of a schedule that learns from losses, as plain arrays so that a checkpoint can hold it. */
export type ScheduleState = Readonly<Record<string, Float32Array | Float64Array | Int32Array>>;

/**
 * Which timesteps to train on, and when. A schedule is a pure function: randomness comes in as uniform numbers and
 * state, if any, as plain arrays.
 */
export interface TimestepSchedule {
  readonly name: string;
  /** T, the number of diffusion steps. */
  readonly numTimesteps: number;
  /** Draws one timestep for each uniform number u in [0, 1) at optimizer step `step` (from 0). */
  sample(step: number, u: ArrayLike<number>, state?: ScheduleState): TimestepSample;
  /** Probability of each timestep at `step`: length T, sums to 1. */
  density(step: number, state?: ScheduleState): Float64Array;
  /** Present only on schedules that learn from losses. */
  initialState?(): ScheduleState;
  update?(state: ScheduleState, timesteps: ArrayLike<number>, losses: ArrayLike<number>): ScheduleState;
}
