import { checkChoice, checkInteger } from '@dm/ops';

/**
 * Which of the T timesteps a sampler visits: the three ways of Table 2 of Lin et al. 2023, arXiv:2305.08891, computed
 * as diffusers' DDPM and DDIM schedulers do.
 *
 * - `leading`: multiples of floor(T / steps), from 0 up; the noisiest timestep is left out.
 * - `trailing`: T - 1 down in strides of T / steps; the only right one for zero terminal SNR with few steps.
 * - `linspace`: evenly from T - 1 to 0, both included.
 */
export const spacings = ['leading', 'trailing', 'linspace'] as const;
export type Spacing = (typeof spacings)[number];

export interface SpacingOptions {
  /** `leading` by default. */
  readonly spacing?: Spacing;
  /** Added to each timestep of `leading`; 1 in Stable Diffusion, 0 by default. */
  readonly stepsOffset?: number;
}

/**
 * `steps` timesteps in descending order.
 * @throws {RangeError} if they are not 1 .. T or the offset leads out of the schedule
 */
export function spacedTimesteps(
  numTimesteps: number,
  steps: number,
  { spacing = 'leading', stepsOffset = 0 }: SpacingOptions = {},
): number[] {
  checkInteger('sampler steps', steps, 1, numTimesteps);
  checkChoice('timestep spacing', spacing, spacings);
  const ascending = Array.from({ length: steps }, (_, i) => i);
  if (spacing === 'linspace') {
    return ascending.map((i) => roundHalfEven(steps === 1 ? 0 : (i * (numTimesteps - 1)) / (steps - 1))).toReversed();
  }
  if (spacing === 'trailing') {
    return ascending.map((i) => roundHalfEven(numTimesteps - (i * numTimesteps) / steps) - 1);
  }
  const stride = Math.floor(numTimesteps / steps);
  checkInteger('stepsOffset', stepsOffset, 0, numTimesteps - 1 - (steps - 1) * stride);
  return ascending.map((i) => i * stride + stepsOffset).toReversed();
}

/** NumPy's rounding, which the reference uses. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const part = value - floor;
  if (part !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
