import { checkChoice, checkInRange, checkInteger, checkNumber, checkOptions, checkPositive } from '@dm/ops';
import type { NoiseLevel, NoisePath } from './level.js';

/**
 * The rectified-flow level at time s in [0, 1]: x = (1 - s) x_0 + s epsilon. Liu et al. 2022, arXiv:2209.03003. The
 * model's time input is s * timeScale.
 * @throws {RangeError} if s is outside [0, 1]
 */
export function flowLevel(s: number, timeScale = 1000): NoiseLevel {
  checkInRange('flowLevel: s', s, '[0, 1]');
  return { t: s * timeScale, alpha: 1 - s, sigma: s };
}

/**
 * s' = shift s / (1 + (shift - 1) s): more noise if shift > 1. Section 5.3.2 of Esser et al. 2024, arXiv:2403.03206.
 * s in [0, 1].
 * @throws {RangeError} if shift is not > 0
 */
export function shiftFlowTime(s: number, shift: number): number {
  checkPositive('shiftFlowTime: shift', shift);
  return (shift * s) / (1 - s + shift * s); // exactly 1 at s = 1
}

/** How the flow times of a path are spaced before they are shifted. */
export const flowSpacings = ['even', 'flow-match-euler'] as const;

/** A shift that grows with the size of the image, as in Flux and Stable Diffusion 3. */
export interface DynamicShift {
  /** Tokens of an image: its patches. */
  readonly tokens: number;
  /** mu = baseShift at this many tokens. Default 256. */
  readonly baseTokens?: number;
  /** mu = maxShift at this many tokens. Default 4096. */
  readonly maxTokens?: number;
  /** Default 0.5. */
  readonly baseShift?: number;
  /** Default 1.15. */
  readonly maxShift?: number;
}

/**
 * The shift e^mu of an image of this size, mu linear in its tokens: `calculate_shift` and `use_dynamic_shifting` of
 * diffusers' flow-matching pipelines.
 * @throws {RangeError} if an option is unknown or not a number, or the two numbers of tokens are equal
 */
export function dynamicFlowShift(options: DynamicShift): number {
  checkOptions('dynamicShift', options, ['tokens', 'baseTokens', 'maxTokens', 'baseShift', 'maxShift']);
  const { tokens, baseTokens = 256, maxTokens = 4096, baseShift = 0.5, maxShift = 1.15 } = options;
  checkPositive('dynamicShift: tokens', tokens);
  checkNumber(
    'dynamicShift: maxTokens',
    maxTokens,
    `different from baseTokens, ${baseTokens}`,
    (v) => v !== baseTokens,
  );
  const mu = baseShift + ((maxShift - baseShift) * (tokens - baseTokens)) / (maxTokens - baseTokens);
  checkNumber('dynamicShift: mu', mu);
  return Math.exp(mu);
}

export interface FlowPathOptions {
  readonly steps: number;
  /** Default 1: no shift. */
  readonly shift?: number;
  /** A shift by the size of the image, in place of `shift`. */
  readonly dynamicShift?: DynamicShift;
  /**
   * `even` (default): 1, 1 - 1 / steps, ..., 0. `flow-match-euler`: evenly from 1 to the first training time, 1 / 1000, and
   * 0, as by default in diffusers' FlowMatchEulerDiscreteScheduler, which shifts that first time twice.
   */
  readonly spacing?: (typeof flowSpacings)[number];
  /** The model's time input is s times this. Default 1000. */
  readonly timeScale?: number;
}

/** Number of training times of `flow-match-euler`. */
const numTrainTimes = 1000;

/**
 * The path from s = 1 to 0 with shifted times.
 * @throws {RangeError} if an option is out of range, or both `shift` and `dynamicShift` are given
 */
export function flowPath(options: FlowPathOptions): NoisePath {
  const { steps, dynamicShift, spacing = 'even', timeScale = 1000 } = options;
  checkInteger('flowPath: steps', steps, 1);
  checkChoice('flowPath: spacing', spacing, flowSpacings);
  if (dynamicShift && options.shift !== undefined) {
    throw new RangeError('flowPath: pass shift or dynamicShift, not both');
  }
  const shift = dynamicShift ? dynamicFlowShift(dynamicShift) : (options.shift ?? 1);
  const first = dynamicShift ? 1 / numTrainTimes : shiftFlowTime(1 / numTrainTimes, shift);
  const even = (i: number): number => 1 - i / steps;
  const toFirst = (i: number): number => (i === steps ? 0 : 1 - (1 - first) * (steps > 1 ? i / (steps - 1) : 0));
  const spaced = spacing === 'even' ? even : toFirst;
  const times = Array.from({ length: steps + 1 }, (_, i) => shiftFlowTime(spaced(i), shift));
  return {
    levels: times.map((s) => flowLevel(s, timeScale)),
    initialScale: 1,
    // s / (1 - s) = ratio
    levelFromSigma: (ratio) => flowLevel(ratio / (1 + ratio), timeScale),
  };
}
