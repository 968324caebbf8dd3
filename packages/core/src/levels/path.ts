import { requireNumber } from '../checks.js';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { edmSigmas, timestepOfEdmSigma } from '../schedules/accessors.js';
import { karrasSigmas } from './edm.js';
import { cleanLevel, levelAt, vpLevelFromSigma, type NoiseLevel } from './level.js';
import { spacedTimesteps, type SpacingOptions } from './spacing.js';

/** The noise levels that a sampler goes through: plain data. */
export interface NoisePath {
  /** From noise to image, steps + 1 levels; the model is evaluated at all but the last. */
  readonly levels: readonly NoiseLevel[];
  /** What standard normal noise is multiplied with to begin. */
  readonly initialScale: number;
  /** The level of a noise-to-signal ratio sigma / alpha between those of the path, for samplers that add noise (churn). */
  readonly vpLevelFromSigma?: (ratio: number) => NoiseLevel;
}

export interface DiscretePathOptions extends SpacingOptions {
  /** Number of steps; give this or `timesteps`. */
  readonly steps?: number;
  /** The timesteps themselves, descending, each in [0, T - 1] and not necessarily an integer. */
  readonly timesteps?: readonly number[];
  /**
   * Where the last step ends: `clean` at abar = 1 (diffusers' `set_alpha_to_one`), `first` at the noise of timestep 0.
   * `clean` by default.
   */
  readonly final?: 'clean' | 'first';
  /**
   * `steps` noise-to-signal ratios between those of the schedule's ends, spaced as EDM does (`karrasSigmas`), in place of
   * timesteps; the model is told fractional timesteps. `use_karras_sigmas` in diffusers.
   */
  readonly karras?: { readonly rho?: number };
}

/** A path over timesteps of a discrete schedule. Throws a RangeError on timesteps that do not descend. */
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
    if (i > 0) requireNumber(`discretePath: timestep ${i}`, t, `below ${visited[i - 1]!}`, (v) => v < visited[i - 1]!);
  });
  return { levels: [...visited.map((t) => levelAt(schedule, t)), end], initialScale: 1, vpLevelFromSigma: atRatio };
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
      'discretePath: karras cannot start at SNR 0, where sigma is infinite; leave out zeroTerminalSnr',
    );
  }
  const levels = karrasSigmas({ steps, sigmaMin, sigmaMax, ...karras }).map(atRatio);
  return { levels: [...levels, end], initialScale: 1, vpLevelFromSigma: atRatio };
}
