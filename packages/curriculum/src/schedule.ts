/** Timesteps to train on, and the weights of their losses: one entry per training example. */
export interface TimestepSample {
  /** Integers in [0, T): [N]. */
  readonly timesteps: Int32Array;
  /** Loss weights: [N]. */
  readonly weights: Float32Array;
  /**
   * With continuous noise levels: the coordinate of each level (`continuous.coordinate` of the context), [N];
   * `timesteps` are then the cells that they belong to.
   */
  readonly positions?: Float64Array;
}

/** State of a schedule that adapts to losses, as plain arrays that can be saved in a checkpoint. */
export type ScheduleState = Readonly<Record<string, Float32Array | Float64Array | Int32Array>>;

/**
 * A schedule as a mixture of the uniform density and one other: p(step) = (1 - lambda(step)) / T + lambda(step) density.
 * A schedule that never changes has lambda 1.
 */
export interface Mixture {
  /** The density g that is mixed with the uniform one: [T], sums to 1. */
  readonly density: Float64Array;
  /** The share of `density` at an optimizer step (from 0), in [0, 1]. */
  readonly lambda: (step: number) => number;
  /** Whether losses are weighted by 1 / (T p_t). */
  readonly isImportanceCorrected: boolean;
  /** Loss weight of each timestep, at every step, in addition to these: [T]. */
  readonly weights: Float64Array;
}

/**
 * A distribution over timesteps that may change during training. Its methods are pure functions: random numbers and
 * state are arguments.
 */
export interface TimestepSchedule {
  readonly name: string;
  /** T, the number of diffusion steps. */
  readonly numTimesteps: number;
  /**
   * Draws a timestep for each uniform number in `u` [N], by inverse CDF, at optimizer step `step` (from 0).
   * @throws {RangeError} if a number is not in [0, 1), or the state is invalid
   */
  sample(step: number, u: ArrayLike<number>, state?: ScheduleState): TimestepSample;
  /** Probability of each timestep at `step`: [T], sums to 1. */
  density(step: number, state?: ScheduleState): Float64Array;
  /** Whether `sample` weights losses by 1 / (T p_t), so that the expected loss is the same as with uniform timesteps. */
  readonly isImportanceCorrected?: boolean;
  /** The schedule as a mixture; undefined if it adapts to losses, or is not of this form. */
  readonly mixture?: Mixture;
  /**
   * The quantile function at `step` over continuous noise levels: the coordinate (`continuous.coordinate` of the context)
   * of each number in `u` [N]. Only defined if the context has `continuous`.
   * @throws {RangeError} if a number is not in [0, 1), or the state is invalid
   */
  quantile?(step: number, u: ArrayLike<number>, state?: ScheduleState): Float64Array;
  /** The state before training. Only defined for schedules that adapt to losses. */
  initialState?(): ScheduleState;
  /** The state after observing the losses [N] at `timesteps` [N]. Only defined for schedules that adapt to losses. */
  update?(state: ScheduleState, timesteps: ArrayLike<number>, losses: ArrayLike<number>): ScheduleState;
}
