import { requireAlphasCumprod, type ScheduleContext } from './context.js';

/**
 * Ways to say how noisy timestep t is. All are monotone in t.
 *
 * - `time`: t / T, in [0, 1).
 * - `noiseStd`: sqrt(1 - abar_t), the factor in front of the noise, in [0, 1].
 * - `noiseVariance`: 1 - abar_t, in [0, 1].
 * - `logSnr`: ln(abar_t / (1 - abar_t)), falls with t; -Infinity at zero terminal SNR.
 */
export const coordinates = ['time', 'noiseStd', 'noiseVariance', 'logSnr'] as const;
export type Coordinate = (typeof coordinates)[number];

const fromAbar: Record<Exclude<Coordinate, 'time'>, (abar: number) => number> = {
  noiseStd: (a) => Math.sqrt(1 - a),
  noiseVariance: (a) => 1 - a,
  logSnr: (a) => Math.log(a) - Math.log1p(-a),
};

/** The coordinate of every timestep, length T. All but `time` need `alphasCumprod` in the context. */
export function coordinateOf(owner: string, coordinate: Coordinate, context: ScheduleContext): Float64Array {
  const { numTimesteps } = context;
  if (coordinate === 'time') return Float64Array.from({ length: numTimesteps }, (_, t) => t / numTimesteps);
  const abar = Float64Array.from(requireAlphasCumprod(`${owner} (coordinate ${coordinate})`, context));
  return abar.map(fromAbar[coordinate]);
}
