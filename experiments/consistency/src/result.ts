/** The committed result of a model of the first stage. */
import type { AnyResult, SampleQuality, Validation } from '@dm/experiments';
import type { ConsistencyTrial, ModelRecipe } from './arms.js';
import type { Quantized } from './encoding.js';
import type { PrefixSwap } from './prefix-swap.js';

/**
 * Samples of a model, uint8 [kept, H, W, C], by `encodeBytes`. Sample n uses the same noise for all diffusion models, and
 * the same latent for all others.
 */
export interface Samples {
  /** After a quarter of training (`early`) and at its end. Diffusion models use DDIM with eta 0. */
  readonly early?: string;
  readonly final: string;
  /** Diffusion models only: DDPM, also with the same noise in each step. */
  readonly ddpm?: string;
}

export interface ConsistencyResult extends AnyResult {
  readonly recipe: ModelRecipe;
  readonly size: ConsistencyTrial['size'];
  /** Parameters of the network that generates samples. */
  readonly parameters: number;
  readonly shape: readonly [number, number, number];
  readonly samples: Samples;
  /** Features of the final samples, [kept, dimensions]. */
  readonly features: Quantized;
  readonly dimensions: number;
  /** Quality of `size.samples` final samples. */
  readonly quality: SampleQuality;
  /** Diffusion models only: unweighted MSE of the network's own prediction. */
  readonly validation?: Validation;
  /** The Gaussian denoiser only. */
  readonly prefixSwap?: readonly PrefixSwap[];
  /** Mean cosine of the final samples with their nearest training images, see `nearestTraining`. */
  readonly nearestTraining: number;
  readonly extractor: { readonly name: string; readonly weightsSha256: string };
}
