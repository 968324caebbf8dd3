import { checkChoice, checkInteger, checkNumber, checkOptions } from '@dm/ops';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { edmSigmas, timestepOfEdmSigma } from '../schedules/accessors.js';
import { betaQuantile } from './beta-quantile.js';
import { karrasSigmas } from './edm.js';
import { flowPath, type FlowPathOptions } from './flow.js';
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
   * Use the `steps` rectified-flow times s = sigma / (alpha + sigma) of `flowPath` instead of timesteps. The model
   * receives fractional timesteps. Times beyond the schedule's noisiest level are clamped to it.
   */
  readonly flow?: Omit<FlowPathOptions, 'steps' | 'timeScale'>;
  /**
   * Use `steps` noise-to-signal ratios that are evenly spaced in their logarithm, over the range as with `karras`:
   * `use_exponential_sigmas` in diffusers. Its `use_lu_lambdas`, evenly spaced in lambda, gives the same ratios.
   */
  readonly exponential?: { readonly sigmaMin?: number; readonly sigmaMax?: number };
  /**
   * Use `steps` noise-to-signal ratios at evenly spaced quantiles of Beta(alpha, beta), stretched over the range as with
   * `karras`: Lee et al. 2024, arXiv:2407.12173; `use_beta_sigmas` in diffusers. Default 0.6 and 0.6.
   */
  readonly beta?: {
    readonly alpha?: number;
    readonly beta?: number;
    readonly sigmaMin?: number;
    readonly sigmaMax?: number;
  };
}

const pathOptionNames = 'steps timesteps spacing stepsOffset final stepEnd karras flow exponential beta'.split(' ');

/**
 * A path over timesteps of a discrete schedule.
 * @throws {RangeError} if an option is unknown, the options contradict each other, the timesteps do not descend, or one is outside [0, T - 1]
 */
export function discretePath(
  schedule: NoiseSchedule,
  {
    steps,
    timesteps,
    final = 'clean',
    stepEnd = 'next',
    karras,
    flow,
    exponential,
    beta,
    ...spacing
  }: DiscretePathOptions,
): NoisePath {
  const atRatio = (ratio: number): NoiseLevel => vpLevelFromSigma(timestepOfEdmSigma(schedule, ratio), ratio);
  checkOptions('discretePath', spacing, pathOptionNames);
  checkChoice('discretePath: final', final, ['clean', 'first']);
  checkChoice('discretePath: stepEnd', stepEnd, ['next', 'stride']);
  const end = final === 'clean' ? cleanLevel : levelAt(schedule, 0);
  const given = Object.entries({ karras, flow, exponential, beta }).flatMap(([name, value]) => (value ? [name] : []));
  if (stepEnd === 'stride' && (given.length > 0 || steps === undefined)) {
    throw new RangeError(
      'discretePath: stepEnd "stride" needs spaced timesteps: pass steps, without karras, flow, exponential or beta',
    );
  }
  if (given.length > 0) {
    if (given.length > 1) throw new RangeError(`discretePath: pass only one of ${given.join(' and ')}`);
    if (steps === undefined) throw new RangeError(`discretePath: ${given[0]} needs steps, not timesteps`);
    checkInteger('discretePath: steps', steps, 1);
    const ratios = karras
      ? karrasRatios(schedule, steps, karras)
      : flow
        ? flowRatios(schedule, steps, flow)
        : exponential
          ? exponentialRatios(schedule, steps, exponential)
          : betaRatios(schedule, steps, beta!);
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

/**
 * The range of the schedule within [sigmaMin, sigmaMax], from the highest to the lowest.
 * @throws {RangeError} if it is infinite or empty; `owner` is the option's name
 */
function limitedRange(
  owner: string,
  schedule: NoiseSchedule,
  { sigmaMin = 0, sigmaMax = Infinity }: { readonly sigmaMin?: number; readonly sigmaMax?: number },
): readonly [from: number, to: number] {
  const [lowest, highest] = rangeOf(schedule);
  const [from, to] = [Math.min(sigmaMax, highest), Math.max(sigmaMin, lowest)];
  if (from === Infinity) {
    throw new RangeError(
      `discretePath: ${owner} cannot start at SNR 0, since sigma is infinite there; pass sigmaMax` +
        `${owner === 'karras' ? ' (in a configuration: use the path edm)' : ''}, or remove zeroTerminalSnr`,
    );
  }
  checkNumber(`discretePath: ${owner}.sigmaMax`, from, `greater than sigmaMin, ${to}`, (v) => v > to);
  return [from, to];
}

function karrasRatios(
  schedule: NoiseSchedule,
  steps: number,
  options: NonNullable<DiscretePathOptions['karras']>,
): readonly number[] {
  const [from, to] = limitedRange('karras', schedule, options);
  const { rho } = options;
  return karrasSigmas({ steps, sigmaMin: to, sigmaMax: from, ...(rho !== undefined && { rho }) });
}

function exponentialRatios(
  schedule: NoiseSchedule,
  steps: number,
  options: NonNullable<DiscretePathOptions['exponential']>,
): readonly number[] {
  const [from, to] = limitedRange('exponential', schedule, options).map(Math.log) as [number, number];
  return fractions(steps).map((x) => Math.exp(from + x * (to - from)));
}

function betaRatios(
  schedule: NoiseSchedule,
  steps: number,
  options: NonNullable<DiscretePathOptions['beta']>,
): readonly number[] {
  const { alpha = 0.6, beta = 0.6 } = options;
  const [from, to] = limitedRange('beta', schedule, options);
  return fractions(steps).map((x) => to + betaQuantile(1 - x, alpha, beta) * (from - to));
}

/** 0, 1 / (steps - 1), ..., 1; 0 alone for one step. */
const fractions = (steps: number): number[] =>
  Array.from({ length: steps }, (_, i) => (steps > 1 ? i / (steps - 1) : 0));

function flowRatios(
  schedule: NoiseSchedule,
  steps: number,
  options: NonNullable<DiscretePathOptions['flow']>,
): readonly number[] {
  const [, highest] = rangeOf(schedule);
  const levels = flowPath({ steps, ...options }).levels.slice(0, -1);
  const ratios = levels.map(({ alpha, sigma }) => Math.min(sigma / alpha, highest));
  const repeated = ratios.findIndex((ratio, i) => i > 0 && ratio >= ratios[i - 1]!);
  if (repeated > 0) {
    throw new RangeError(
      `discretePath: step ${repeated} of ${steps} flow times with ${JSON.stringify(options)} is beyond the schedule's noisiest ` +
        'level; use fewer steps or a smaller shift',
    );
  }
  return ratios;
}
