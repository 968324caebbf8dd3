import { checkNumber } from '@dm/ops';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { edmSigmas, timestepOfEdmSigma } from '../schedules/accessors.js';
import { karrasSigmas } from './edm.js';
import { cleanLevel, levelAt, type NoiseLevel, type NoisePath, vpLevelFromSigma } from './level.js';
import { spacedTimesteps, type SpacingOptions } from './spacing.js';

export interface DiscretePathOptions extends SpacingOptions {
  /** Number of steps. Pass either this or `timesteps`. */
  readonly steps?: number;
  /** Descending timesteps in [0, T - 1], integer or fractional. */
  readonly timesteps?: readonly number[];
  /**
   * The level at which the last step ends: `clean` (default) is abar = 1 (diffusers' `set_alpha_to_one`), `first` is the
   * noise of timestep 0.
   */
  readonly final?: 'clean' | 'first';
  /**
   * Use `steps` noise-to-signal ratios between the schedule's first and last, spaced by `karrasSigmas`, instead of
   * timesteps. The model receives fractional timesteps. `use_karras_sigmas` in diffusers.
   */
  readonly karras?: { readonly rho?: number };
}

/**
 * A path over timesteps of a discrete schedule.
 * @throws {RangeError} if the options contradict each other, the timesteps do not descend, or one is outside [0, T - 1]
 */
export function discretePath(
  schedule: NoiseSchedule,
  { steps, timesteps, final = 'clean', karras, ...spacing }: DiscretePathOptions,
): NoisePath {
  const atRatio = (ratio: number): NoiseLevel => vpLevelFromSigma(timestepOfEdmSigma(schedule, ratio), ratio);
  const end = final === 'clean' ? cleanLevel : levelAt(schedule, 0);
  if (karras) return karrasPath(schedule, steps, karras, atRatio, end);
  if ((steps === undefined) === (timesteps === undefined)) {
    throw new RangeError('discretePath: pass either steps or timesteps');
  }
  const visited = timesteps ?? spacedTimesteps(schedule.numTimesteps, steps!, spacing);
  if (visited.length === 0) throw new RangeError('discretePath: timesteps must not be empty');
  visited.forEach((t, i) => {
    if (i > 0) checkNumber(`discretePath: timestep ${i}`, t, `below ${visited[i - 1]!}`, (v) => v < visited[i - 1]!);
  });
  return { levels: [...visited.map((t) => levelAt(schedule, t)), end], initialScale: 1, levelFromSigma: atRatio };
}

function karrasPath(
  schedule: NoiseSchedule,
  steps: number | undefined,
  karras: { readonly rho?: number },
  atRatio: (ratio: number) => NoiseLevel,
  end: NoiseLevel,
): NoisePath {
  if (steps === undefined) throw new RangeError('discretePath: karras needs steps, not timesteps');
  const sigmas = edmSigmas(schedule);
  const [sigmaMin, sigmaMax] = [sigmas[0]!, sigmas[sigmas.length - 1]!];
  if (sigmaMax === Infinity) {
    throw new RangeError(
      'discretePath: karras cannot start at SNR 0, since sigma is infinite there; remove zeroTerminalSnr',
    );
  }
  const levels = karrasSigmas({ steps, sigmaMin, sigmaMax, ...karras }).map(atRatio);
  return { levels: [...levels, end], initialScale: 1, levelFromSigma: atRatio };
}
