/**
 * Terms of the variational bound L_vlb, Eq. 5 of Ho et al. 2020, arXiv:2006.11239, in bits per dimension, with the
 * learned variance of Eq. 15 of Nichol & Dhariwal 2021, arXiv:2102.09672. Images are in [-1, 1], quantized to 256
 * values. For discrete variance-preserving schedules.
 */
import * as tf from '@tensorflow/tfjs-core';
import { levelAt } from '../levels/level.js';
import { checkInteger, float32, type Float32NdArray } from '@dm/ops';
import { convertPrediction, perImage } from '../process/forward.js';
import { conversion, type Prediction, type PredictionOptions } from '../process/prediction.js';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { meanPerExample } from './pointwise.js';
import { stopGradient } from './stop-gradient.js';

/** Names of the per-example coefficients of `boundTerm`. */
export const boundInputNames = [
  'convertX',
  'convertOutput',
  'posteriorX0',
  'posteriorX',
  'minLogVariance',
  'maxLogVariance',
  'decodes',
] as const;
export type BoundInputs<T> = Record<(typeof boundInputNames)[number], T>;

/**
 * The coefficients of `boundTerm` for a batch of integer timesteps: float32 [N] each.
 * @throws {RangeError} if a timestep is outside [0, T - 1], or the prediction does not determine x_0 (epsilon at SNR 0)
 */
export function boundInputs(
  schedule: NoiseSchedule,
  timesteps: ArrayLike<number>,
  prediction: Prediction,
  options: PredictionOptions = {},
): BoundInputs<Float32NdArray> {
  const rows = Array.from(timesteps, (t) => {
    checkInteger('boundInputs: timestep', t, 0, schedule.numTimesteps - 1);
    const level = levelAt(schedule, t);
    const beta = schedule.betas[t]!;
    const previous = t === 0 ? { alpha: 1, sigma: 0 } : levelAt(schedule, t - 1);
    const toX0 = conversion(prediction, 'x0', level, options);
    return {
      convertX: toX0.x,
      convertOutput: toX0.output,
      // mu~ of Eq. 7
      posteriorX0: (previous.alpha * beta) / level.sigma ** 2,
      posteriorX: (Math.sqrt(1 - beta) * previous.sigma ** 2) / level.sigma ** 2,
      minLogVariance: Math.log(clippedPosteriorVariance(schedule, t)),
      maxLogVariance: Math.log(beta),
      decodes: t === 0 ? 1 : 0,
    };
  });
  const columns = boundInputNames.map((name) => [name, float32(rows.map((row) => row[name]))] as const);
  return Object.fromEntries(columns) as BoundInputs<Float32NdArray>;
}

/** beta~_t, with beta~_0 = 0 replaced by beta~_1, so that its log is finite. */
function clippedPosteriorVariance({ alphasCumprod, betas, numTimesteps }: NoiseSchedule, t: number): number {
  const at = numTimesteps === 1 ? 0 : Math.max(t, 1);
  if (at === 0) return betas[0]!;
  return (betas[at]! * (1 - alphasCumprod[at - 1]!)) / (1 - alphasCumprod[at]!);
}

/**
 * L_{t-1} = KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), or -ln p(x_0 | x_1) over 256 bins at t = 0, in bits per
 * dimension: [N].
 *
 * x0, xt and output are [N, H, W, C]. `variance` is the second half of the output's channels [N, H, W, C] for a model
 * with a learned variance, else 'fixedSmall' or 'fixedLarge'. The predicted x_0 is clipped only if `clip` is given.
 */
export function boundTerm(
  {
    x0,
    xt,
    output,
    variance,
  }: {
    readonly x0: tf.Tensor;
    readonly xt: tf.Tensor;
    readonly output: tf.Tensor;
    readonly variance: tf.Tensor | 'fixedSmall' | 'fixedLarge';
  },
  coefficients: BoundInputs<tf.Tensor>,
  { clip }: { readonly clip?: number } = {},
): tf.Tensor {
  const over = (name: keyof BoundInputs<tf.Tensor>): tf.Tensor => perImage(coefficients[name], xt.rank);
  const [min, max] = [over('minLogVariance'), over('maxLogVariance')];
  const meant = convertPrediction(xt, output, { x: coefficients.convertX, output: coefficients.convertOutput });
  const predictedX0 = clip === undefined ? meant : tf.clipByValue(meant, -clip, clip);
  const logVariance = logVarianceOf(variance, min, max, over('decodes'));
  const mean = tf.add(tf.mul(over('posteriorX0'), predictedX0), tf.mul(over('posteriorX'), xt));

  // The x_t terms of both means cancel.
  const difference = tf.mul(over('posteriorX0'), tf.sub(x0, predictedX0));
  const kl = tf.mul(
    tf.add(
      tf.add(tf.sub(logVariance, min), tf.sub(tf.exp(tf.sub(min, logVariance)), 1)),
      tf.mul(tf.square(difference), tf.exp(tf.neg(logVariance))),
    ),
    0.5,
  );
  const decoded = tf.neg(discretizedGaussianLogLikelihood(x0, mean, tf.mul(logVariance, 0.5)));
  const decodes = coefficients.decodes;
  const nats = tf.add(
    tf.mul(decodes, meanPerExample(decoded)),
    tf.mul(tf.sub(1, decodes), meanPerExample(tf.add(kl, tf.zerosLike(xt)))),
  );
  return tf.div(nats, Math.LN2);
}

/**
 * The loss that trains a learned variance: `boundTerm` with the gradient of the mean stopped. For uniform timesteps,
 * L_hybrid = L_simple + 0.001 L_vlb (Eq. 16 of arXiv:2102.09672) is `mseLoss` plus this times T / 1000. Images
 * [N, H, W, C], coefficients [N] → [N].
 */
export function learnedVarianceLoss(
  tensors: { readonly x0: tf.Tensor; readonly xt: tf.Tensor; readonly output: tf.Tensor; readonly variance: tf.Tensor },
  coefficients: BoundInputs<tf.Tensor>,
): tf.Tensor {
  return boundTerm({ ...tensors, output: stopGradient(tensors.output) }, coefficients);
}

/**
 * KL(q(x_T | x_0) || N(0, I)) in bits per dimension, [N]: the bound's last term. alpha, sigma [N] at timestep T - 1.
 */
export function priorTerm(x0: tf.Tensor, { alpha, sigma }: { alpha: tf.Tensor; sigma: tf.Tensor }): tf.Tensor {
  const variance = tf.square(sigma);
  const ofMean = meanPerExample(tf.square(tf.mul(perImage(alpha, x0.rank), x0)));
  const nats = tf.mul(tf.add(tf.sub(tf.sub(variance, tf.log(variance)), 1), ofMean), 0.5);
  return tf.div(nats, Math.LN2);
}

function logVarianceOf(
  variance: tf.Tensor | 'fixedSmall' | 'fixedLarge',
  min: tf.Tensor,
  max: tf.Tensor,
  decodes: tf.Tensor,
): tf.Tensor {
  if (variance === 'fixedSmall') return min;
  // beta_0 would be a poor decoder: at t = 0 the reference uses the small variance in both cases.
  if (variance === 'fixedLarge') return tf.add(max, tf.mul(decodes, tf.sub(min, max)));
  const fraction = tf.mul(tf.add(variance, 1), 0.5);
  return tf.add(tf.mul(fraction, max), tf.mul(tf.sub(1, fraction), min));
}

/**
 * Log of the probability that N(mean, exp(logScale)^2) assigns to the bin of x, of width 2 / 255; the outermost bins
 * extend to infinity. Eq. 13 of Ho et al. 2020, arXiv:2006.11239.
 */
function discretizedGaussianLogLikelihood(x: tf.Tensor, mean: tf.Tensor, logScale: tf.Tensor): tf.Tensor {
  const centered = tf.sub(x, mean);
  const inverse = tf.exp(tf.neg(logScale));
  const above = normalCdf(tf.mul(inverse, tf.add(centered, 1 / 255)));
  const below = normalCdf(tf.mul(inverse, tf.sub(centered, 1 / 255)));
  const floor = 1e-12; // keeps logarithms and their gradients finite, as the reference does
  const log = (p: tf.Tensor): tf.Tensor => tf.log(tf.maximum(p, floor));
  const inside = log(tf.sub(above, below));
  return tf.where(tf.less(x, -0.999), log(above), tf.where(tf.greater(x, 0.999), log(tf.sub(1, below)), inside));
}

/** The standard normal CDF by the reference's tanh approximation, accurate to 3e-4. */
function normalCdf(x: tf.Tensor): tf.Tensor {
  const cubic = tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715));
  return tf.mul(tf.add(tf.tanh(tf.mul(cubic, Math.sqrt(2 / Math.PI))), 1), 0.5);
}
