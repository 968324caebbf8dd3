/**
 * The streams of random numbers, one for each use, so that no two uses ever share a number. The numbers are part of
 * every result: never change one, only add.
 */
export const streams = {
  /** Which timesteps a training batch is noised to. */
  timesteps: 0,
  /** The noise that training images are mixed with. */
  noise: 1,
  /** Initial parameters; `index` is the parameter's place in the model's specs. */
  init: 2,
  /** The order of the data; `step` is the epoch. */
  order: 3,
  /** Flips and crops of training images. */
  augment: 4,
  /** Samplers: `step` 0 is the initial noise, `step` k + 1 the noise added at sampling step k. */
  sample: 5,
  /** Dropout masks; `lane` is the layer. */
  dropout: 6,
  /** Which labels are replaced by the null class. */
  labelDropout: 7,
  /** Class labels drawn for samples. */
  labels: 8,
  /** Noise and timesteps of evaluation, separate from training's. */
  evaluation: 9,
  /** Random projections, directions and other probes of diagnostics. */
  probe: 10,
  /** Frequencies and phases of the learned uncertainty; `index` 0 and 1. */
  uncertainty: 11,
} as const;

export type StreamName = keyof typeof streams;
