/** Conversions between timesteps (integer or fractional), SNR, log-SNR, and sigma / alpha. */
import type { NoiseSchedule } from './schedule.js';

/** Sigma of EDM and k-diffusion, the noise-to-signal ratio sqrt((1 - abar) / abar), by timestep: Infinity at abar 0. */
export function edmSigmas({ alphasCumprod }: NoiseSchedule): Float64Array {
  return alphasCumprod.map((abar) => Math.sqrt((1 - abar) / abar));
}

/** SNR = abar / (1 - abar), by timestep: 0 at abar 0. */
export function snrs({ alphasCumprod }: NoiseSchedule): Float64Array {
  return alphasCumprod.map((abar) => abar / (1 - abar));
}

/** ln SNR, by timestep: -Infinity at abar 0. */
export function logSnrs({ alphasCumprod }: NoiseSchedule): Float64Array {
  return alphasCumprod.map((abar) => Math.log(abar / (1 - abar)));
}

/**
 * abar = 1 / (1 + sigma^2), for a noise-to-signal ratio in [0, Infinity].
 * @throws {RangeError} if sigma is negative or NaN
 */
export function alphaCumprodFromEdmSigma(sigma: number): number {
  if (!(sigma >= 0)) throw new RangeError(`alphaCumprodFromEdmSigma: sigma must be a number >= 0, got ${sigma}`);
  return 1 / (1 + sigma * sigma);
}

/**
 * abar = 1 / (1 + e^-logSnr), for any logSnr including ±Infinity.
 * @throws {RangeError} if logSnr is NaN
 */
export function alphaCumprodFromLogSnr(logSnr: number): number {
  if (Number.isNaN(logSnr)) throw new RangeError('alphaCumprodFromLogSnr: logSnr must be a number, got NaN');
  return 1 / (1 + Math.exp(-logSnr));
}

/**
 * The fractional timestep in [0, T - 1] with this noise-to-signal ratio; ln sigma is linear between timesteps. Ratios
 * outside the schedule's range are clamped.
 * @throws {RangeError} if sigma is not > 0
 */
export function timestepOfEdmSigma(schedule: NoiseSchedule, sigma: number): number {
  if (!(sigma > 0)) throw new RangeError(`timestepOfEdmSigma: sigma must be a number > 0, got ${sigma}`);
  return timestepOfLogSnr(schedule, -2 * Math.log(sigma));
}

/**
 * The fractional timestep in [0, T - 1] with this log-SNR; see `timestepOfEdmSigma`.
 * @throws {RangeError} if logSnr is NaN
 */
export function timestepOfLogSnr(schedule: NoiseSchedule, logSnr: number): number {
  if (Number.isNaN(logSnr)) throw new RangeError('timestepOfLogSnr: logSnr must be a number, got NaN');
  const { alphasCumprod, numTimesteps } = schedule;
  const at = (t: number): number => Math.log(alphasCumprod[t]! / (1 - alphasCumprod[t]!));
  const last = numTimesteps - 1;
  if (logSnr >= at(0)) return 0;
  if (logSnr <= at(last)) return last;
  // Bisection for the timestep below: log-SNR decreases with t.
  let [below, above] = [0, last];
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (at(middle) >= logSnr) below = middle;
    else above = middle;
  }
  const [high, low] = [at(below), at(above)];
  // An end at SNR 0 is infinitely far: there is nothing to interpolate.
  return low === -Infinity ? below : below + (high - logSnr) / (high - low);
}
