/** EDM2's learned uncertainty u(sigma): a head that is trained along with the model and used only in training. */
import { halfLogSnr, normal, uniform, type NoiseLevel, type NoiseSchedule } from '@dm/core';
import { type Arrays, float32, type NdArray, type Tensors } from '@dm/ops';
import { adam, type Optimizer } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';

/** C, the number of features per noise level, as in EDM2. */
export const uncertaintyChannels = 128;

/** Adam's betas in EDM2, Karras et al. 2024, arXiv:2312.02696. */
const [beta1, beta2] = [0.9, 0.99];

/**
 * The head. With a weight a [C], zero at the start, and sigma the noise-to-signal ratio of a timestep:
 *
 *   u(sigma)   = sum_j a_j phi_j(sigma)
 *   phi_j      = sqrt(2 / C) cos(f_j ln(sigma) / 4 + p_j),    f_j = 2 pi N(0, 1),  p_j = 2 pi U[0, 1)
 *   loss       = mean_i importance_i (w_i exp(-u_i) L_i + u_i)
 *
 * with w the weight of the noise level, L the mean squared error of an example, and importance the importance weight of
 * its timestep: Eq. 21 of Karras et al. 2024, arXiv:2312.02696. At the minimum u = ln(w L). EDM2's head is also a linear
 * layer on Fourier features of the same scale, but its weight is random at the start and kept at norm sqrt(C); this one is
 * unconstrained and starts with u = 0, the plain loss. f and p are constants of the seed.
 */
export interface Uncertainty {
  /** f and p, [C] each. */
  readonly frequencies: Float32Array;
  readonly phases: Float32Array;
  readonly optimizer: Optimizer;
  /** phi of each noise level, [N, C]. */
  features(this: void, levels: readonly NoiseLevel[]): NdArray;
}

/**
 * Creates the head of a configuration.
 *
 * @throws {UserError} if a timestep is pure noise, for which ln sigma is infinite
 */
export function createUncertainty(
  { uncertainty, seed }: Pick<Config, 'uncertainty' | 'seed'>,
  schedule: NoiseSchedule,
): Uncertainty | undefined {
  if (uncertainty === null) return undefined;
  const pureNoise = schedule.alphasCumprod.findIndex((abar) => abar <= 0);
  if (pureNoise >= 0) {
    throw new UserError(
      `uncertainty is a function of ln sigma, which is infinite at timestep ${pureNoise}, which is pure noise: ` +
        'set diffusion.schedule.zeroTerminalSnr=false, or uncertainty=null.',
      { code: 'CONFIG_INVALID' },
    );
  }
  const key = { seed, stream: 'uncertainty' } as const;
  const frequencies = normal({ ...key, index: 0 }, uncertaintyChannels).map((x) => 2 * Math.PI * x);
  const phases = Float32Array.from(uniform({ ...key, index: 1 }, uncertaintyChannels), (x) => 2 * Math.PI * x);
  return {
    frequencies,
    phases,
    optimizer: adam({ lr: uncertainty.lr, beta1, beta2 }),
    features(levels) {
      const scale = Math.sqrt(2 / uncertaintyChannels);
      const rows = levels.map((level) => {
        const noise = -halfLogSnr(level) / 4; // EDM's c_noise
        return Array.from(frequencies, (f, j) => scale * Math.cos(f * noise + phases[j]!));
      });
      return float32(rows.flat(), [rows.length, uncertaintyChannels]);
    },
  };
}

/**
 * Inputs of the training step: `uncertainty.features` [N, C], and `importance` [N], the importance weights of the sampled
 * timesteps, which (unlike the weights of the noise levels) also apply to u.
 */
export function uncertaintyInputs(
  { features }: Uncertainty,
  levels: readonly NoiseLevel[],
  importance: Float32Array,
): Arrays {
  return { 'uncertainty.features': features(levels), importance: float32(importance) };
}

/** The effective loss weights w importance exp(-u), [N]. `head` is the weight a [C]; the input `weights` is w importance. */
export function uncertaintyWeights(head: tf.Tensor, inputs: Tensors): tf.Tensor {
  return tf.mul(inputs['weights']!, tf.exp(tf.neg(uncertaintyOf(head, inputs))));
}

/** The objective per example: w importance exp(-u) L + importance u, [N]. `losses` is L [N]. */
export function uncertaintyObjective(losses: tf.Tensor, head: tf.Tensor, inputs: Tensors): tf.Tensor {
  const u = uncertaintyOf(head, inputs);
  return tf.add(tf.mul(uncertaintyWeights(head, inputs), losses), tf.mul(inputs['importance']!, u));
}

/** u of each example, [N]. */
function uncertaintyOf(head: tf.Tensor, inputs: Tensors): tf.Tensor {
  return tf.sum(tf.mul(inputs['uncertainty.features']!, head), 1);
}
