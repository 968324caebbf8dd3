import type { ScheduleContext } from './context.js';
import type { ContinuousCoordinate } from './continuous.js';
import { coordinateOf } from './coordinates.js';
import { normalize } from './discrete.js';

/** Coordinates of the noise level over which published training densities are defined. */
export type DensityCoordinate = ContinuousCoordinate;

/**
 * Converts a density over a continuous noise level to the timesteps of a discrete schedule, by mass: [T], sums to 1.
 *
 *   p_t ∝ p(c_t) |c_(t+1/2) - c_(t-1/2)|,   c_(t+1/2) = (c_t + c_(t+1)) / 2,
 *
 * and the first and last cell are symmetric about their center. `logSnr` is ln(abar / (1 - abar)), `lnSigma` is
 * -logSnr / 2, and `flowTime` is s = sigma / (1 + sigma), sigma^2 = (1 - abar) / abar. Training therefore sees the
 * distribution of noise levels of the paper, independent of the noise schedule, restricted to the schedule's range. A
 * timestep whose coordinate is infinite (zero terminal SNR) has probability 0.
 *
 * `density` need not be normalized; `owner` is the schedule's name in error messages.
 * @throws {RangeError} if the context has no valid `alphasCumprod`, or the total mass is not positive and finite
 */
export function densityByMass(
  owner: string,
  context: ScheduleContext,
  coordinate: DensityCoordinate,
  density: (c: number) => number,
): Float64Array {
  const c = coordinateOf(owner, coordinate, context);
  const width = cellWidths(owner, context, coordinate);
  return normalize(
    owner,
    c.map((here, t) => (Number.isFinite(here) ? density(here) * width[t]! : 0)),
  );
}

/**
 * |c_(t+1/2) - c_(t-1/2)| of each timestep, as in `densityByMass`; 0 if its coordinate is infinite: [T].
 * @throws {RangeError} if the context has no valid `alphasCumprod`
 */
export function cellWidths(owner: string, context: ScheduleContext, coordinate: DensityCoordinate): Float64Array {
  const c = coordinateOf(owner, coordinate, context);
  const at = (t: number): number => c[t] ?? NaN;
  return c.map((here, t) => {
    if (!Number.isFinite(here)) return 0;
    const below = (here - at(t - 1)) / 2;
    const above = (at(t + 1) - here) / 2;
    const hasBelow = Number.isFinite(below);
    const hasAbove = Number.isFinite(above);
    // A single finite timestep has no neighbor that determines the width of its cell, and gets all the mass.
    const width = hasBelow || hasAbove ? (hasBelow ? below : above) + (hasAbove ? above : below) : 1;
    return Math.abs(width);
  });
}
