/**
 * How much of a sample the first steps of sampling decide: the posterior mean over the training images, which samples
 * training images, is replaced at the noisiest timesteps by the Gaussian denoiser, which knows their mean and covariance
 * only.
 */
import { toBytes, type Dataset } from '@dm/data';
import type { ClosedFormSampler } from './gaussian.js';
import { nearestTraining } from './nearest-training.js';

export interface PrefixSwap {
  /** The Gaussian denoiser is used at timesteps t >= `from`. */
  readonly from: number;
  /** Fraction of the samples that are nearest to the same training image as without the Gaussian denoiser. */
  readonly same: number;
}

/** Timesteps from which the Gaussian denoiser is used; 1000, after all of them, is what the others are compared with. */
const starts = [1000, 920, 840, 760, 680, 600, 520, 440, 360, 280, 200];

/** Swaps prefixes of `count` samples with DDIM. */
export async function prefixSwap(
  sampler: ClosedFormSampler,
  train: Dataset,
  count: number,
  steps: number,
): Promise<PrefixSwap[]> {
  const found: Uint32Array[] = [];
  for (const from of starts) {
    const { data } = await sampler.samples(count, steps, { name: 'ddim' }, from);
    found.push((await nearestTraining(toBytes(data as Float32Array), train)).indices);
  }
  const [reference] = found;
  return starts.map((from, i) => ({
    from,
    same: found[i]!.filter((index, n) => index === reference![n]).length / count,
  }));
}
