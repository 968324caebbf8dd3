import * as tf from '@tensorflow/tfjs-core';
import { ConfigError, fieldChecks } from './config-error.js';
import type { Model } from './model.js';

export interface EdmPrecondConfig {
  /** Standard deviation of the data, above 0. */
  readonly sigma_data: number;
  /** The configuration of the network inside. */
  readonly model: unknown;
}

/**
 * The denoiser D that EDM makes of a network F (Karras et al. 2022, arXiv:2206.00364, Eq. 7 and Table 1):
 *
 *   D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)
 *   c_skip = sd^2 / (sigma^2 + sd^2)     c_out = sigma sd / sqrt(sigma^2 + sd^2)
 *   c_in = 1 / sqrt(sigma^2 + sd^2)      c_noise = ln(sigma) / 4             sd = `sigma_data`, 0.5 by default
 *
 * A model like any other, with F's parameters under their names; what `apply` takes for t is sigma, float32 [N], above 0,
 * and x = x_0 + sigma noise; it returns x_0's estimate. Training F on the unpreconditioned target is the prediction `edm`
 * of the package `core`, with the plain model.
 * @throws {ConfigError} on a sigma_data that is not positive and on a model whose output has other channels than its
 *   input (a learned variance)
 */
export function edmPrecond<Config>(
  model: Model<Config>,
  { sigma_data = 0.5 }: { readonly sigma_data?: number } = {},
): Model<EdmPrecondConfig> {
  const kind = 'EDMPrecond';
  fieldChecks(kind, { sigma_data }).positive('sigma_data');
  const [, , channels] = model.inputShape;
  if (model.outChannels !== channels) {
    throw new ConfigError(
      `${kind}: the ${model.kind} inside puts out ${model.outChannels} channels, but must put out ${channels}, as many as it takes`,
    );
  }
  return {
    ...model,
    kind,
    config: { sigma_data, model: model.config },
    apply(params, x, sigma, options) {
      const n = x.shape[0];
      if (sigma.rank !== 1 || sigma.shape[0] !== n) {
        throw new Error(`${kind}: sigma must be [${n}], one noise level per image, got [${sigma.shape.join(', ')}]`);
      }
      const s = tf.reshape(sigma, [n, 1, 1, 1]);
      const total = tf.add(tf.square(s), sigma_data ** 2);
      const root = tf.sqrt(total);
      const output = model.apply(params, tf.div(x, root), tf.div(tf.log(sigma), 4), options);
      const skip = tf.mul(tf.div(sigma_data ** 2, total), x);
      return tf.add(skip, tf.mul(tf.div(tf.mul(s, sigma_data), root), output));
    },
  };
}
