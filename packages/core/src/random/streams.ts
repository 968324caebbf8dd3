/**
 * Random streams, one per use, so that no two uses share random numbers. All results depend on these ids: never change
 * one, only add new ones.
 */
export const streams = {
  /** Timesteps of a training batch. */
  timesteps: 0,
  /** Noise added to training images. */
  noise: 1,
  /** Initial parameters; `index` is the parameter's index in the model's specs. */
  init: 2,
  /** The order of the data; `step` is the epoch. */
  order: 3,
  /** Flips and crops of training images. */
  augment: 4,
  /** Samplers: `step` 0 is the initial noise, `step` k + 1 the noise added at sampling step k. */
  sample: 5,
  /** Dropout masks; `lane` is the layer. */
  dropout: 6,
  /** Replacement of labels by the null class. */
  labelDropout: 7,
  /** Class labels drawn for samples. */
  labels: 8,
  /** Noise and timesteps of evaluation, separate from training's. */
  evaluation: 9,
  /** Random projections, directions and other probes of diagnostics. */
  probe: 10,
  /** Frequencies (`index` 0) and phases (`index` 1) of the learned uncertainty. */
  uncertainty: 11,
} as const;

export type StreamName = keyof typeof streams;
