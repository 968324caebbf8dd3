/** Samplers with a second evaluation in the middle of each step, at the geometric mean of its noise levels. */
import type { NoiseLevel, NoisePath } from '../levels/level.js';
import { type ChurnOptions, checkChurn, churnedLevel } from './churn.js';
import { ancestralEuler, ancestralStep, type AncestralOptions, checkAncestral } from './euler-ancestral.js';
import { checkContiguous, type LinearForm, planOf, type Sampler, type Stage } from './sampler.js';

export interface Dpm2Options {
  /** Fresh noise before each step: Algorithm 2 of Karras et al. 2022. Default: none. */
  readonly churn?: ChurnOptions;
}

/**
 * DPM-Solver-2 in sigma: `sample_dpm_2` in k-diffusion, `KDPM2DiscreteScheduler` in diffusers. Two evaluations per step.
 * A step from SNR 0 or to the clean image is an Euler step, with a single evaluation. With y = x / alpha and s = sigma / alpha:
 *
 *     for (let i = 0; i < steps; i++) {
 *       const [s, sNext] = [levels[i].sigma / levels[i].alpha, levels[i + 1].sigma / levels[i + 1].alpha];
 *       const middle = path.levelFromSigma(sqrt(s * sNext));
 *       const sMiddle = middle.sigma / middle.alpha;
 *       const between = y + ((y - denoise(levels[i].alpha * y, levels[i])) / s) * (sMiddle - s);
 *       y += ((between - denoise(middle.alpha * between, middle)) / sMiddle) * (sNext - s);
 *     }
 *
 * @throws {RangeError} if an option is out of range; the plan throws if the path has no `levelFromSigma`
 */
export function dpm2({ churn }: Dpm2Options = {}): Sampler {
  if (churn) checkChurn('dpm-2', churn);
  return midpointSampler('dpm-2', { eta: 0 }, slopeOfMiddle, churn);
}

/**
 * Ancestral sampling with steps of `dpm2`: `sample_dpm_2_ancestral` in k-diffusion. Each step goes to sDown, as in
 * `eulerAncestral`, with the second evaluation at sqrt(s sDown), and adds fresh noise.
 * @throws {RangeError} if an option is out of range; the plan throws if the path has no `levelFromSigma`
 */
export function dpm2Ancestral(options: AncestralOptions = {}): Sampler {
  checkAncestral('dpm-2-ancestral', options);
  return midpointSampler('dpm-2-ancestral', options, slopeOfMiddle);
}

/**
 * Ancestral sampling with steps of DPM-Solver++(2S), Algorithm 1 of Lu et al. 2022, arXiv:2211.01095, with r = 1/2:
 * `sample_dpmpp_2s_ancestral` in k-diffusion. With eta 0 it is DPM-Solver++(2S). The loop of `dpm2` with sDown in place of
 * sNext and another update:
 *
 *     y = (sDown / s) * y + (1 - sDown / s) * denoise(middle.alpha * between, middle);
 *     y += noiseStd * sUp * normal();
 *
 * @throws {RangeError} if an option is out of range; the plan throws if the path has no `levelFromSigma`
 */
export function dpmSolver2SAncestral(options: AncestralOptions = {}): Sampler {
  checkAncestral('dpmpp-2s-ancestral', options);
  return midpointSampler('dpmpp-2s-ancestral', options, ({ from, to, shrink }) => ({
    start: (to.alpha / from.alpha) * shrink,
    x0: to.alpha * (1 - shrink),
  }));
}

/** A step from `from`, and its middle; `shrink` is sDown / s. */
interface MidpointStep {
  readonly from: NoiseLevel;
  readonly middle: NoiseLevel;
  readonly to: NoiseLevel;
  readonly shrink: number;
}

/** y + (sDown - s) (between - x_0) / sMiddle, in x. */
function slopeOfMiddle({ from, middle, to, shrink }: MidpointStep): LinearForm {
  const length = ((shrink - 1) * ratioOf(from)) / ratioOf(middle);
  return { start: to.alpha / from.alpha, x: (to.alpha / middle.alpha) * length, x0: -to.alpha * length };
}

function midpointSampler(
  name: string,
  options: AncestralOptions,
  update: (step: MidpointStep) => LinearForm,
  churn?: ChurnOptions,
): Sampler {
  return {
    name,
    plan(path) {
      checkContiguous(path);
      const steps = path.levels.length - 1;
      const stages = path.levels.slice(0, -1).flatMap((level, step): Stage[] => {
        const to = path.levels[step + 1]!;
        const { from, added } = churnedLevel(name, level, path, steps, churn);
        const first = { level: from, step, ...(added && { churn: added }) };
        if (from.alpha === 0 || to.sigma === 0) {
          return [{ ...first, next: ancestralEuler(from, to, options), endsStep: true }];
        }
        const { down, up } = ancestralStep(from, to, options);
        const shrink = (ratioOf(to) / ratioOf(from)) * down;
        const middle = levelAtRatio(name, path, ratioOf(from) * Math.sqrt(shrink));
        const part = ratioOf(middle) / ratioOf(from);
        return [
          {
            ...first,
            next: { x: (middle.alpha / from.alpha) * part, x0: middle.alpha * (1 - part) },
            history: { start: { x: 1 } },
            endsStep: false,
          },
          {
            level: middle,
            next: { ...update({ from, middle, to, shrink }), ...(up > 0 && { noise: up }) },
            step,
            endsStep: true,
          },
        ];
      });
      return planOf(stages, ['start']);
    },
  };
}

const ratioOf = ({ alpha, sigma }: NoiseLevel): number => sigma / alpha;

function levelAtRatio(owner: string, { levelFromSigma }: NoisePath, ratio: number): NoiseLevel {
  if (!levelFromSigma) throw new RangeError(`${owner}: the path must have \`levelFromSigma\``);
  return levelFromSigma(ratio);
}
