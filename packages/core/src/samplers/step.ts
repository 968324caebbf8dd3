/** The tensor part of every sampler: one matrix product with the plan's coefficients per model evaluation. */
import * as tf from '@tensorflow/tfjs-core';
import { type Arrays, float32, type Tensors } from '@dm/ops';
import { conversion, type Prediction, type PredictionOptions } from '../process/prediction.js';
import { type X0Clipping, limitX0 } from './x0-clipping.js';
import type { LinearForm, SamplerPlan, Stage } from './sampler.js';

/** The terms of a plan, in the column order of the coefficient matrix. */
function termsOf(plan: SamplerPlan): string[] {
  return ['x', 'output', 'x0', ...(plan.noise ? ['noise'] : []), ...plan.history];
}

/**
 * The coefficients of a stage, as inputs of the compiled step: `conversion` [2] maps (x, output) to x_0; row 0 of
 * `coefficients` [1 + history, terms] gives the next x, the other rows the history tensors; `churn` [2] and
 * `logVariance` [2] if the plan uses them.
 * @throws {RangeError} if a coefficient is not finite or belongs to a term that the plan does not have
 */
export function stageInputs(
  plan: SamplerPlan,
  stage: Stage,
  prediction: Prediction,
  options?: PredictionOptions,
): Arrays {
  const terms = termsOf(plan);
  const rows = [stage.next, ...plan.history.map((name) => stage.history?.[name] ?? { [name]: 1 })];
  const toX0 = conversion(prediction, 'x0', stage.level, options);
  return {
    conversion: float32([toX0.x, toX0.output]),
    coefficients: float32(
      rows.flatMap((row) => rowOf(row, terms)),
      [rows.length, terms.length],
    ),
    ...(plan.churn ? { churn: float32(rowOf({ x: 1, ...stage.churn }, ['x', 'noise'])) } : {}),
    ...(plan.learnedVariance
      ? { logVariance: float32([stage.logVariance?.min ?? 0, stage.logVariance?.max ?? 0]) }
      : {}),
  };
}

function rowOf(form: LinearForm, terms: readonly string[]): number[] {
  for (const [term, value] of Object.entries(form)) {
    if (value !== 0 && !terms.includes(term)) {
      throw new RangeError(`sampler plan: no term "${term}"; there are ${terms.join(', ')}`);
    }
    if (!Number.isFinite(value)) throw new RangeError(`sampler plan: the coefficient of "${term}" is ${value}`);
  }
  return terms.map((term) => form[term] ?? 0);
}

/**
 * x after churn, to be passed to the model and to `samplerStep`: churn[0] * x + churn[1] * noise. x and noise are
 * [N, H, W, C], churn is [2].
 */
export function withChurn(x: tf.Tensor, noise: tf.Tensor, churn: tf.Tensor): tf.Tensor {
  const [ofX, ofNoise] = scalars(churn);
  return tf.add(tf.mul(x, ofX!), tf.mul(noise, ofNoise!));
}

/**
 * The updates of one stage. x and noise are [N, H, W, C]; output is [N, H, W, C], or has 2C channels with a learned
 * variance. Pure, and every number is an input: it is traced once and run for all stages.
 * @throws {RangeError} if the output has another number of channels
 */
export function samplerStep(
  plan: Pick<SamplerPlan, 'history' | 'noise' | 'learnedVariance'>,
  {
    x,
    output,
    noise,
    history,
    inputs,
  }: {
    readonly x: tf.Tensor;
    readonly output: tf.Tensor;
    readonly noise?: tf.Tensor;
    readonly history: Tensors;
    /** The tensors of `stageInputs`. */
    readonly inputs: Tensors;
  },
  limit: X0Clipping = {},
): { x: tf.Tensor; x0: tf.Tensor; history: Tensors } {
  const [mean, variance] = outputParts(x, output, plan.learnedVariance);
  const [ofX, ofOutput] = scalars(inputs['conversion']!);
  const x0 = limitX0(tf.add(tf.mul(x, ofX!), tf.mul(mean!, ofOutput!)), limit);
  const terms = [x, mean!, x0];
  if (plan.noise)
    terms.push(plan.learnedVariance ? tf.mul(noise!, learnedStd(variance!, inputs['logVariance']!)) : noise!);
  for (const name of plan.history) terms.push(history[name]!);
  // [rows, terms] x [terms, N H W C]
  const flat = tf.concat(
    terms.map((term) => tf.reshape(term, [1, x.size])),
    0,
  );
  const rows = tf.matMul(inputs['coefficients']!, flat);
  const [next, ...kept] = (plan.history.length > 0 ? tf.split(rows, 1 + plan.history.length, 0) : [rows]).map((row) =>
    tf.reshape(row, x.shape),
  );
  return { x: next!, x0, history: Object.fromEntries(plan.history.map((name, i) => [name, kept[i]!])) };
}

/** Splits the output into the prediction and, if it has 2C channels, the variance. */
function outputParts(x: tf.Tensor, output: tf.Tensor, needsVariance: boolean): tf.Tensor[] {
  const [channels, given] = [x.shape[x.rank - 1]!, output.shape[output.rank - 1]!];
  if (given === 2 * channels) return tf.split(output, 2, -1);
  if (given === channels && !needsVariance) return [output];
  throw new RangeError(
    needsVariance
      ? `sampler: a learned variance needs a model with ${2 * channels} output channels, got ${given}`
      : `sampler: the model must have ${channels} output channels, or ${2 * channels} with a learned variance, got ${given}`,
  );
}

/** exp(v / 2), v interpolated between the two log variances: the lower at -1, the upper at 1. */
function learnedStd(variance: tf.Tensor, logVariance: tf.Tensor): tf.Tensor {
  const [min, max] = scalars(logVariance);
  const fraction = tf.mul(tf.add(variance, 1), 0.5);
  const v = tf.add(min!, tf.mul(fraction, tf.sub(max!, min!)));
  return tf.exp(tf.mul(v, 0.5));
}

/** [k] → k scalars. */
function scalars(vector: tf.Tensor): tf.Tensor[] {
  return tf.split(vector, vector.size).map((s) => tf.reshape(s, []));
}
