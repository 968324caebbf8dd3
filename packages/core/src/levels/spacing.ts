import { checkChoice, checkInteger } from '@dm/ops';

/**
 * How sampling timesteps are chosen from the T training timesteps: Table 2 of Lin et al. 2023, arXiv:2305.08891,
 * computed as in diffusers' DDPM and DDIM schedulers.
 *
 * - `leading`: multiples of floor(T / steps), from 0 up; excludes the noisiest timestep.
 * - `trailing`: from T - 1 down in strides of T / steps; recommended by the paper for zero terminal SNR with few steps.
 *   diffusers adds a timestep -1 for some numbers of steps, such as 61, by rounding; here there are always `steps`.
 * - `linspace`: evenly from T - 1 to 0, both included.
 *
 * Other schedulers of diffusers give some of these names to other timesteps:
 *
 * - `leading-dpm`, `linspace-dpm`: of DPMSolverMultistepScheduler and UniPCMultistepScheduler; steps + 1 timesteps as by
 *   `leading` or `linspace`, without the last.
 * - `linspace-euler`: of EulerDiscreteScheduler, EulerAncestral, Heun, LMS and KDPM2; `linspace` without rounding.
 */
export const spacings = ['leading', 'trailing', 'linspace', 'leading-dpm', 'linspace-dpm', 'linspace-euler'] as const;
export type Spacing = (typeof spacings)[number];

export interface SpacingOptions {
  /** Default `leading`. */
  readonly spacing?: Spacing;
  /** Added to each timestep of `leading` and `leading-dpm`. Default 0; Stable Diffusion uses 1. */
  readonly stepsOffset?: number;
}

/**
 * `steps` timesteps in descending order.
 * @throws {RangeError} if steps is not in [1, T], or a timestep plus the offset is outside [0, T - 1]
 */
export function spacedTimesteps(
  numTimesteps: number,
  steps: number,
  { spacing = 'leading', stepsOffset = 0 }: SpacingOptions = {},
): number[] {
  checkInteger('sampler steps', steps, 1, numTimesteps);
  checkChoice('timestep spacing', spacing, spacings);
  const ascending = Array.from({ length: steps }, (_, i) => i);
  switch (spacing) {
    case 'linspace':
      return evenly(numTimesteps, steps).map(roundHalfEven);
    case 'linspace-euler':
      return evenly(numTimesteps, steps);
    case 'linspace-dpm':
      return evenly(numTimesteps, steps + 1)
        .map(roundHalfEven)
        .slice(0, steps);
    case 'trailing': {
      // np.arange adds multiples of the difference of its first two values.
      const stride = numTimesteps - numTimesteps / steps - numTimesteps;
      return ascending.map((i) => roundHalfEven(numTimesteps + i * stride) - 1);
    }
    case 'leading-dpm': {
      const stride = Math.floor(numTimesteps / (steps + 1));
      checkInteger('stepsOffset', stepsOffset, 0, numTimesteps - 1 - steps * stride);
      return ascending.map((i) => (i + 1) * stride + stepsOffset).toReversed();
    }
    default: {
      const stride = Math.floor(numTimesteps / steps);
      checkInteger('stepsOffset', stepsOffset, 0, numTimesteps - 1 - (steps - 1) * stride);
      return ascending.map((i) => i * stride + stepsOffset).toReversed();
    }
  }
}

/** `count` numbers from T - 1 down to 0; 0 alone for one. In the order of operations of np.linspace. */
function evenly(numTimesteps: number, count: number): number[] {
  const [last, end] = [numTimesteps - 1, count - 1];
  return Array.from({ length: count }, (_, i) => (i === 0 ? 0 : i === end ? last : i * (last / end))).toReversed();
}

/** Rounds half to even, as NumPy does in the reference. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const part = value - floor;
  if (part !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
