/** Denoisers without training that every table of arms is compared with. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { readJsonFile } from '@dm/files';
import type { Bounds } from '@dm/trainer';
import type { Validation } from '../trial/validation.js';

/** The committed bounds, computed by `nx run experiments-lib:bounds`. */
export const boundsFile = join(
  dirname(createRequire(import.meta.url).resolve('@dm/experiments/package.json')),
  'bounds/mnist-12.json',
);

/**
 * Validation losses on MNIST at 12x12 with the linear noise schedule, of denoisers that are fitted to all training images
 * in closed form.
 */
export interface ValidationBounds {
  /** The optimal linear denoiser. */
  readonly wiener: Validation;
  /** The posterior mean over the training images, which is the optimal denoiser of these images themselves. */
  readonly posteriorMean: Validation;
  /** Both in ten ranges of equal width over log SNR -5 to 7, and their geometric means. */
  readonly ranges: Bounds;
}

export const validationBounds = (): ValidationBounds => readJsonFile(boundsFile) as ValidationBounds;
