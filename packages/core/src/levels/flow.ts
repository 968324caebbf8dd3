import { checkInRange, checkInteger, checkPositive } from '@dm/ops';
import type { NoiseLevel, NoisePath } from './level.js';

/**
 * The rectified-flow level of time s in [0, 1]: x = (1 - s) x_0 + s epsilon. Liu et al. 2022, arXiv:2209.03003. The
 * model receives s timeScale, 1000 s by default.
 * @throws {RangeError} on a time outside [0, 1]
 */
export function flowLevel(s: number, timeScale = 1000): NoiseLevel {
  checkInRange('flowLevel: s', s, '[0, 1]');
  return { t: s * timeScale, alpha: 1 - s, sigma: s };
}

/**
 * s' = shift s / (1 + (shift - 1) s): more noise if shift > 1. Section 5.3.2 of Esser et al. 2024, arXiv:2403.03206.
 * s in [0, 1].
 * @throws {RangeError} unless shift > 0
 */
export function shiftFlowTime(s: number, shift: number): number {
  checkPositive('shiftFlowTime: shift', shift);
  return (shift * s) / (1 + (shift - 1) * s);
}

export interface FlowPathOptions {
  readonly steps: number;
  /** 1 by default: evenly spaced times. */
  readonly shift?: number;
  /** The model receives s times this; 1000 by default. */
  readonly timeScale?: number;
}

/**
 * The path s = 1, 1 - 1/steps, ..., 0, each shifted.
 * @throws {RangeError} on fewer than one step and on a shift that is not above 0
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
