import { checkNumber } from '@dm/ops';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { edmSigmas, timestepOfEdmSigma } from '../schedules/accessors.js';
import { karrasSigmas } from './edm.js';
import { cleanLevel, levelAt, type NoiseLevel, type NoisePath, vpLevelFromSigma } from './level.js';
import { spacedTimesteps, type SpacingOptions } from './spacing.js';

export interface DiscretePathOptions extends SpacingOptions {
  /** Number of steps; give this or `timesteps`. */
  readonly steps?: number;
  /** The timesteps themselves, descending, each in [0, T - 1] and not necessarily an integer. */
  readonly timesteps?: readonly number[];
  /**
   * The level at which the last step ends: `clean` at abar = 1 (diffusers' `set_alpha_to_one`), `first` at the noise of timestep 0.
   * `clean` by default.
   */
  readonly final?: 'clean' | 'first';
  /**
   * `steps` noise-to-signal ratios between the schedule's first and last, spaced as EDM does (`karrasSigmas`), in place of
   * timesteps; the model receives fractional timesteps. `use_karras_sigmas` in diffusers.
   */
  readonly karras?: { readonly rho?: number };
}

/**
 * A path over timesteps of a discrete schedule.
 * @throws {RangeError} on timesteps that do not descend
 */
export function discretePath(
  schedule: NoiseSchedule,
  { steps, timesteps, final = 'clean', karras, ...spacing }: DiscretePathOptions,
): NoisePath {
  const atRatio = (ratio: number): NoiseLevel => vpLevelFromSigma(timestepOfEdmSigma(schedule, ratio), ratio);
  const end = final === 'clean' ? cleanLevel : levelAt(schedule, 0);
  if (karras) return karrasPath(schedule, steps, karras, atRatio, end);
  if ((steps === undefined) === (timesteps === undefined)) {
    throw new RangeError('discretePath: give either steps or timesteps');
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
      'discretePath: karras cannot start at SNR 0, since sigma is infinite there; leave out zeroTerminalSnr',
    );
  }
  const levels = karrasSigmas({ steps, sigmaMin, sigmaMax, ...karras }).map(atRatio);
  return { levels: [...levels, end], initialScale: 1, levelFromSigma: atRatio };
}
