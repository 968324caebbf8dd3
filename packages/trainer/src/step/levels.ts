/** What a program is told of noise levels: how x is made, what the network sees of it, and what it should predict. */
import { inputScale, networkInputs, targetCoefficients, forwardCoefficients, type NoiseLevel } from '@dm/core';
import type { Arrays } from '@dm/ops';
import type { Config } from '../config/schema.js';
import { predictionOptions } from '../setup/training-setup.js';

/**
 * Inputs of one level an example, float32 [N] each: `t`; `alpha` and `sigma`, with which `addNoise` makes what the network
 * is given; `targetX0` and `targetNoise`. For the prediction `edm` alpha and sigma have c_in as a factor, which scales x to
 * unit variance (Table 1 of Karras et al. 2022, arXiv:2206.00364); for the others what the network is given is x_t itself.
 */
export function levelInputs(diffusion: Config['diffusion'], levels: readonly NoiseLevel[]): Arrays {
  const { prediction } = diffusion;
  const options = predictionOptions(diffusion);
  const target = targetCoefficients(prediction, levels, options);
  const seen = levels.map((level) => {
    const scale = inputScale(prediction, level, options);
    return { alpha: scale * level.alpha, sigma: scale * level.sigma };
  });
  return {
    t: networkInputs(prediction, levels, options).t,
    ...forwardCoefficients(seen),
    targetX0: target.x0,
    targetNoise: target.noise,
  };
}
