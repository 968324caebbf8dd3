import { levelAt, type NoiseLevel } from '../levels/level.js';
import { float32, type Float32NdArray } from '@dm/ops';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { inputScale, type Prediction, type PredictionOptions, targetCoefficients } from './prediction.js';

/**
 * The noise levels of a batch of timesteps.
 * @throws {RangeError} if a timestep is NaN or outside [0, T - 1]
 */
export function noiseLevels(schedule: NoiseSchedule, timesteps: ArrayLike<number>): NoiseLevel[] {
  return Array.from(timesteps, (t) => levelAt(schedule, t));
}

/** The inputs of `addNoise` for one level per example: float32 [N] each. */
export function forwardInputs(levels: readonly Pick<NoiseLevel, 'alpha' | 'sigma'>[]): {
  alpha: Float32NdArray;
  sigma: Float32NdArray;
} {
  return { alpha: float32(levels.map((l) => l.alpha)), sigma: float32(levels.map((l) => l.sigma)) };
}

/** The inputs of `predictionTarget` for one level per example: float32 [N] each. */
export function targetInputs(
  prediction: Prediction,
  levels: readonly Pick<NoiseLevel, 'alpha' | 'sigma'>[],
  options: PredictionOptions = {},
): { x0: Float32NdArray; noise: Float32NdArray } {
  const mixtures = levels.map((level) => targetCoefficients(prediction, level, options));
  return { x0: float32(mixtures.map((m) => m.x0)), noise: float32(mixtures.map((m) => m.noise)) };
}

/**
 * The network's time input t, and the factor `inputScale` of its input x (1 except for `edm`): float32 [N] each.
 */
export function networkInputs(
  prediction: Prediction,
  levels: readonly NoiseLevel[],
  options: PredictionOptions = {},
): { t: Float32NdArray; scale: Float32NdArray } {
  return {
    t: float32(levels.map((level) => level.t)),
    scale: float32(levels.map((level) => inputScale(prediction, level, options))),
  };
}
