/** DDIM sampling as `@dm/core` does it, for the cases of kind `sampling`. */
import { createSampler, ddim, discretePath, linearSchedule } from '@dm/core';
import { float32, splitFlat } from '@dm/ops';
import { formulaWeights } from './formula.mjs';

/**
 * @param {ReturnType<typeof import('./training.mjs').trainingOf>} training
 * @param {import('../cases.mjs').Sampling} sampling
 * @param {import('@dm/ops').Engine} engine
 */
export async function samplingOf(training, sampling, engine) {
  const { model, layout } = training;
  const { numTimesteps, betaStart, betaEnd, steps } = sampling;
  const sampler = createSampler({
    engine,
    predict: (state, x, t) => model.apply(splitFlat(state.params, layout), x, t),
    prediction: 'epsilon',
    sampler: ddim(),
    path: discretePath(linearSchedule({ numTimesteps, betaStart, betaEnd }), { steps }),
    shape: model.inputShape,
    clip: 1,
    frozenState: true,
  });
  const { params } = formulaWeights(model);
  // With a handle the weights are copied and compiled in once, not for each batch.
  const state = await sampler.load({ params: float32(params) });
  const initialNoise = training.batch(0).noise;
  return { sampler, images: { state, seed: 0, n: initialNoise.shape[0], initialNoise } };
}
