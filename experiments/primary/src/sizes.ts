/** How much is trained and measured. */

export interface Size {
  readonly name: 'laptop' | 'smoke';
  readonly channels: readonly [number, number, number];
  readonly batchSize: number;
  /** N: steps of the recipes; the baseline trains 4 N. */
  readonly steps: number;
  readonly warmup: number;
  /** Images for E1, and draws of noise for each image and noise range. */
  readonly validationImages: number;
  readonly validationDraws: number;
  /** Samples for E2, and steps of DDIM. */
  readonly samples: number;
  readonly samplerSteps: number;
}

/** The experiment itself. */
export const laptop: Size = {
  name: 'laptop',
  channels: [16, 32, 64],
  batchSize: 64,
  steps: 8000,
  warmup: 160,
  validationImages: 5000,
  validationDraws: 4,
  samples: 5000,
  samplerSteps: 50,
};

/** The same program on 300 images, in seconds: a test, not a measurement. */
export const smoke: Size = {
  name: 'smoke',
  channels: [8, 8, 8],
  batchSize: 8,
  steps: 4,
  warmup: 1,
  validationImages: 16,
  validationDraws: 1,
  samples: 8,
  samplerSteps: 2,
};
