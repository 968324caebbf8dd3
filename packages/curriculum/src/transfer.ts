import { requireAlphasCumprod, type ScheduleContext } from './context.js';
import { coordinateOf } from './coordinates.js';
import { normalize } from './discrete.js';

/** Coordinates in which published training densities are written. */
export type DensityCoordinate = 'lnSigma' | 'logSnr' | 'flowTime';

/**
 * A density over a continuous noise level, on the timesteps of a discrete schedule by mass:
 *
 *   p_t ∝ p(c_t) |c_(t+1/2) - c_(t-1/2)|,   c_(t+1/2) = (c_t + c_(t+1)) / 2,
 *
 * with the end cells mirrored about their center. `logSnr` is ln(abar / (1 - abar)), `lnSigma` is -logSnr / 2, `flowTime`
 * is s = sigma / (1 + sigma) with sigma^2 = (1 - abar) / abar. So the same images are seen at the same noise levels as in
 * the density's own paper, whatever the noise schedule, up to the range that the schedule has. A timestep where the
 * coordinate is infinite (zero terminal SNR) gets no mass, as the density's tail has none there.
 */
export function densityByMass(
  owner: string,
  context: ScheduleContext,
  coordinate: DensityCoordinate,
  density: (c: number) => number,
): Float64Array {
  const c = densityCoordinate(owner, coordinate, context);
  const at = (t: number): number => c[t] ?? NaN;
  const mass = c.map((here, t) => {
    if (!Number.isFinite(here)) return 0;
    const below = (here - at(t - 1)) / 2;
    const above = (at(t + 1) - here) / 2;
    const hasBelow = Number.isFinite(below);
    const hasAbove = Number.isFinite(above);
    // A lone finite timestep has no neighbor to measure its cell by; it is the whole range.
    const width = hasBelow || hasAbove ? (hasBelow ? below : above) + (hasAbove ? above : below) : 1;
    return density(here) * Math.abs(width);
  });
  return normalize(owner, mass);
}

function densityCoordinate(owner: string, coordinate: DensityCoordinate, context: ScheduleContext): Float64Array {
  if (coordinate === 'flowTime') {
    return Float64Array.from(requireAlphasCumprod(owner, context), (abar) => {
      const noise = Math.sqrt(1 - abar);
      return noise / (Math.sqrt(abar) + noise);
    });
  }
  const logSnr = coordinateOf(owner, 'logSnr', context);
  return coordinate === 'logSnr' ? logSnr : logSnr.map((x) => -x / 2);
}
