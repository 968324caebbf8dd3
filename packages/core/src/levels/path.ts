import { checkChoice, checkNumber } from '@dm/ops';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { edmSigmas, timestepOfEdmSigma } from '../schedules/accessors.js';
import { karrasSigmas } from './edm.js';
import { flowPath } from './flow.js';
import { cleanLevel, levelAt, type NoiseLevel, type NoisePath, vpLevelFromSigma } from './level.js';
import { spacedTimesteps, type SpacingOptions } from './spacing.js';

export interface DiscretePathOptions extends SpacingOptions {
  /** Number of steps. Pass either this or `timesteps`. */
  readonly steps?: number;
  /** Descending timesteps in [0, T - 1], integer or fractional. */
  readonly timesteps?: readonly number[];
  /**
   * The level at which the last step ends: `clean` (default) is abar = 1 (diffusers' `set_alpha_to_one`), `first` is
   * the noise of timestep 0.
   */
  readonly final?: 'clean' | 'first';
  /**
   * The level at which a step ends: `next` (default), the level of the next timestep, or `stride`, floor(T / steps)
   * timesteps earlier, as in diffusers' DDIMScheduler. The two differ with `linspace`, and if steps does not divide T.
   * A stride below 0 ends at `final`.
   */
  readonly stepEnd?: 'next' | 'stride';
  /**
   * Use `steps` noise-to-signal ratios spaced by `karrasSigmas` instead of timesteps. The model receives fractional
   * timesteps. They span the range of the schedule (`use_karras_sigmas` in diffusers), or its intersection with
   * [sigmaMin, sigmaMax], as in EDM's sampler for models with discrete timesteps.
   */
  readonly karras?: { readonly rho?: number; readonly sigmaMin?: number; readonly sigmaMax?: number };
  /**
   * Use `steps` rectified-flow times s = sigma / (alpha + sigma) = 1, 1 - 1 / steps, ..., 1 / steps, each shifted by
   * `shiftFlowTime`, instead of timesteps. The model receives fractional timesteps. Times beyond the schedule's
   * noisiest level are clamped to it.
   */
  readonly flow?: { readonly shift?: number };
}

/**
 * A path over timesteps of a discrete schedule.
 * @throws {RangeError} if the options contradict each other, the timesteps do not descend, or one is outside [0, T - 1]
 */
export function discretePath(
  schedule: NoiseSchedule,
  { steps, timesteps, final = 'clean', stepEnd = 'next', karras, flow, ...spacing }: DiscretePathOptions,
): NoisePath {
  const atRatio = (ratio: number): NoiseLevel => vpLevelFromSigma(timestepOfEdmSigma(schedule, ratio), ratio);
  checkChoice('discretePath: final', final, ['clean', 'first']);
  checkChoice('discretePath: stepEnd', stepEnd, ['next', 'stride']);
  const end = final === 'clean' ? cleanLevel : levelAt(schedule, 0);
  if (stepEnd === 'stride' && (karras || flow || steps === undefined)) {
    throw new RangeError('discretePath: stepEnd "stride" needs spaced timesteps: pass steps, without karras or flow');
  }
  if (karras || flow) {
    if (karras && flow) throw new RangeError('discretePath: pass karras or flow, not both');
    if (steps === undefined) throw new RangeError('discretePath: karras and flow need steps, not timesteps');
    const ratios = karras ? karrasRatios(schedule, steps, karras) : flowRatios(schedule, steps, flow!);
    return { levels: [...ratios.map(atRatio), end], initialScale: 1, levelFromSigma: atRatio };
  }
  if ((steps === undefined) === (timesteps === undefined)) {
    throw new RangeError('discretePath: pass either steps or timesteps');
  }
  const visited = timesteps ?? spacedTimesteps(schedule.numTimesteps, steps!, spacing);
  if (visited.length === 0) throw new RangeError('discretePath: timesteps must not be empty');
  visited.forEach((t, i) => {
    if (i > 0) checkNumber(`discretePath: timestep ${i}`, t, `below ${visited[i - 1]!}`, (v) => v < visited[i - 1]!);
  });
  const path = { levels: [...visited.map((t) => levelAt(schedule, t)), end], initialScale: 1, levelFromSigma: atRatio };
  if (stepEnd === 'next') return path;
  const stride = Math.floor(schedule.numTimesteps / steps!);
  return { ...path, ends: visited.map((t) => (t < stride ? end : levelAt(schedule, t - stride))) };
}

/** The lowest and the highest noise-to-signal ratio; the highest is infinite at SNR 0. */
function rangeOf(schedule: NoiseSchedule): readonly [lowest: number, highest: number] {
  const sigmas = edmSigmas(schedule);
  return [sigmas[0]!, sigmas[sigmas.length - 1]!];
}

function karrasRatios(
  schedule: NoiseSchedule,
  steps: number,
  { sigmaMin = 0, sigmaMax = Infinity, rho }: NonNullable<DiscretePathOptions['karras']>,
): readonly number[] {
  const [lowest, highest] = rangeOf(schedule);
  const [from, to] = [Math.min(sigmaMax, highest), Math.max(sigmaMin, lowest)];
  if (from === Infinity) {
    throw new RangeError(
      'discretePath: karras cannot start at SNR 0, since sigma is infinite there; pass sigmaMax, or remove ' +
        'zeroTerminalSnr',
    );
  }
  return karrasSigmas({ steps, sigmaMin: to, sigmaMax: from, ...(rho !== undefined && { rho }) });
}

function flowRatios(
  schedule: NoiseSchedule,
  steps: number,
  { shift = 1 }: NonNullable<DiscretePathOptions['flow']>,
): readonly number[] {
  const [, highest] = rangeOf(schedule);
  const levels = flowPath({ steps, shift }).levels.slice(0, -1);
  const ratios = levels.map(({ alpha, sigma }) => Math.min(sigma / alpha, highest));
  const repeated = ratios.findIndex((ratio, i) => i > 0 && ratio >= ratios[i - 1]!);
  if (repeated > 0) {
    throw new RangeError(
      `discretePath: step ${repeated} of ${steps} flow times with shift ${shift} is beyond the schedule's noisiest ` +
        'level; use fewer steps or a smaller shift',
    );
  }
  return ratios;
}
