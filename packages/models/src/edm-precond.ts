import * as tf from '@tensorflow/tfjs-core';
import { ConfigError, fieldChecks } from './config-error.js';
import type { Model } from './model.js';

export interface EdmPrecondConfig {
  /** Standard deviation of the data, > 0. Default 0.5. */
  readonly sigma_data: number;
  /** Configuration of the wrapped network. */
  readonly model: unknown;
}

/**
 * EDM preconditioning: the denoiser D of a network F, Eq. 7 and Table 1 of Karras et al. 2022, arXiv:2206.00364:
 *
 *   D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)
 *   c_skip = sd^2 / (sigma^2 + sd^2)     c_out = sigma sd / sqrt(sigma^2 + sd^2)
 *   c_in = 1 / sqrt(sigma^2 + sd^2)      c_noise = ln(sigma) / 4             sd = `sigma_data`, 0.5 by default
 *
 * The result is a `Model` with F's parameter names. Its `apply` takes x = x_0 + sigma noise, float32 [N, H, W, C], and
 * sigma > 0, float32 [N], in place of t. It returns the estimate of x_0. To train F on its own target instead, use the
 * plain model and the prediction type `edm` of `@dm/core`.
 * @throws {ConfigError} if `sigma_data` is not positive, or if the model's output and input channels differ (learned
 *   variance)
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
      `${kind}: the ${model.kind} must have as many output channels as input channels, ${channels}, got ${model.outChannels}`,
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
