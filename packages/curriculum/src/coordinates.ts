import { requireAlphasCumprod, type ScheduleContext } from './context.js';

/**
 * Coordinates of the noise level of timestep t, each monotone in t:
 *
 * - `time`: t / T, in [0, 1).
 * - `noiseStd`: sqrt(1 - abar_t), the standard deviation of the noise, in [0, 1].
 * - `noiseVariance`: 1 - abar_t, in [0, 1].
 * - `logSnr`: ln(abar_t / (1 - abar_t)), decreasing in t; -Infinity at zero terminal SNR.
 * - `lnSigma`: -logSnr / 2, the logarithm of the noise-to-signal ratio; Infinity at zero terminal SNR.
 * - `flowTime`: sqrt(1 - abar_t) / (sqrt(abar_t) + sqrt(1 - abar_t)), the time of rectified flow, in [0, 1].
 */
export const coordinates = ['time', 'noiseStd', 'noiseVariance', 'logSnr', 'lnSigma', 'flowTime'] as const;
export type Coordinate = (typeof coordinates)[number];

const fromAbar: Record<Exclude<Coordinate, 'time'>, (abar: number) => number> = {
  noiseStd: (a) => Math.sqrt(1 - a),
  noiseVariance: (a) => 1 - a,
  logSnr: (a) => Math.log(a) - Math.log1p(-a),
  lnSigma: (a) => -(Math.log(a) - Math.log1p(-a)) / 2,
  flowTime: (a) => {
    const noise = Math.sqrt(1 - a);
    return noise / (Math.sqrt(a) + noise);
  },
};

/**
 * The coordinate of each timestep: [T].
 * @throws {RangeError} if the coordinate is not `time` and the context has no valid `alphasCumprod`
 */
export function coordinateOf(owner: string, coordinate: Coordinate, context: ScheduleContext): Float64Array {
  const { numTimesteps } = context;
  if (coordinate === 'time') return Float64Array.from({ length: numTimesteps }, (_, t) => t / numTimesteps);
  const abar = Float64Array.from(requireAlphasCumprod(`${owner} (coordinate ${coordinate})`, context));
  return abar.map(fromAbar[coordinate]);
}
