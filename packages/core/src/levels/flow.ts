import { checkInRange, checkInteger, checkPositive } from '@dm/ops';
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
  return (shift * s) / (1 + (shift - 1) * s);
}

export interface FlowPathOptions {
  readonly steps: number;
  /** Default 1: evenly spaced times. */
  readonly shift?: number;
  /** The model's time input is s times this. Default 1000. */
  readonly timeScale?: number;
}

/**
 * The path s = 1, 1 - 1/steps, ..., 0, each shifted.
 * @throws {RangeError} if steps < 1, or shift is not > 0
 */
export function flowPath({ steps, shift = 1, timeScale = 1000 }: FlowPathOptions): NoisePath {
  checkInteger('flowPath: steps', steps, 1);
  const times = Array.from({ length: steps + 1 }, (_, i) => shiftFlowTime(1 - i / steps, shift));
  return {
    levels: times.map((s) => flowLevel(s, timeScale)),
    initialScale: 1,
    // s / (1 - s) = ratio
    levelFromSigma: (ratio) => flowLevel(ratio / (1 + ratio), timeScale),
  };
}
