import { checkInRange, checkNonNegative } from '@dm/ops';
import type { NoiseLevel } from '../levels/level.js';
import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface AncestralOptions {
  /** In [0, 1]: 0 is deterministic, 1 (default) adds as much noise as DDPM. */
  readonly eta?: number;
  /** Standard deviation of the fresh noise, at least 0 (s_noise in k-diffusion). Default 1. */
  readonly noiseStd?: number;
}

/** @throws {RangeError} if an option is out of range; `owner` is the sampler's name */
export function checkAncestral(owner: string, { eta = 1, noiseStd = 1 }: AncestralOptions): void {
  checkInRange(`${owner}: eta`, eta, '[0, 1]');
  checkNonNegative(`${owner}: noiseStd`, noiseStd);
}

/**
 * An ancestral step, from s = sigma / alpha to sNext: `down` is sDown / sNext, the level to which the step goes, and
 * `up` the standard deviation of the fresh noise in x, to.alpha sUp, with sUp^2 = eta^2 sNext^2 (1 - sNext^2 / s^2) and
 * sDown^2 = sNext^2 - sUp^2.
 */
export function ancestralStep(
  from: NoiseLevel,
  to: NoiseLevel,
  { eta = 1, noiseStd = 1 }: AncestralOptions,
): { readonly down: number; readonly up: number } {
  const ratio = ratioOfStep(from, to);
  const down = eta === 1 ? ratio : Math.sqrt(1 - eta ** 2 * (1 - ratio ** 2));
  return { down, up: eta * to.sigma * Math.sqrt(1 - ratio ** 2) * noiseStd };
}

/**
 * Ancestral sampling with Euler steps: each step goes below the next noise level, then adds fresh noise up to it.
 * `sample_euler_ancestral` in k-diffusion.
 *
 *     let y = path.initialScale * normal() / levels[0].alpha; // x / alpha; its noise level is s = sigma / alpha
 *     for (let i = 0; i < steps; i++) {
 *       const [from, to] = [levels[i], levels[i + 1]];
 *       const [s, sNext] = [from.sigma / from.alpha, to.sigma / to.alpha];
 *       const sUp = eta * sqrt((sNext ** 2 * (s ** 2 - sNext ** 2)) / s ** 2);
 *       const sDown = sqrt(sNext ** 2 - sUp ** 2);
 *       const x0 = denoise(from.alpha * y, from);
 *       y += ((y - x0) / s) * (sDown - s);
 *       y += noiseStd * sUp * normal();
 *     }
 *
 * @throws {RangeError} if an option is out of range
 */
export function eulerAncestral(options: AncestralOptions = {}): Sampler {
  checkAncestral('euler-ancestral', options);
  return {
    name: 'euler-ancestral',
    plan: (path) => planOfSteps(path, (from, to) => ({ next: ancestralEuler(from, to, options) })),
  };
}

/** One step of `eulerAncestral`. Written for x, so that it is finite even if s is infinite. */
export function ancestralEuler(from: NoiseLevel, to: NoiseLevel, options: AncestralOptions): Record<string, number> {
  const { down, up } = ancestralStep(from, to, options);
  const ratio = ratioOfStep(from, to);
  return { x: (down * to.sigma) / from.sigma, x0: to.alpha * (1 - ratio * down), noise: up };
}
