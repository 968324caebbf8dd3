/**
 * A sampler is a plan: a table of coefficients per model evaluation, computed once on the host in float64. Every update
 * here is linear in x, the model's output, the x_0 it implies, fresh noise, and the history tensors, so one tensor
 * function (`samplerStep`) runs all samplers. Clipping and thresholding are applied to x_0 only, never to `output`.
 *
 * The doc comment of each sampler shows its loop as code. In these loops `levels` is `path.levels`, `normal()` is
 * standard normal noise of x's shape, and `denoise(x, level)` is the clipped x_0. Samplers without a history replace
 * `levels[i + 1]` by `path.ends[i]` if the path has `ends`.
 *
 *     denoise(x, level) = clip(toX0(x, model(inputScale * x, level.t), level))
 */
import type { NoiseLevel, NoisePath } from '../levels/level.js';
import type { Prediction, PredictionOptions } from '../process/prediction.js';

/** Coefficients by term: `x`, `output`, `x0`, `noise`, or a name of the plan's history. Omitted terms are 0. */
export type LinearForm = Readonly<Record<string, number>>;

/** One evaluation of the model and the linear updates that follow it. */
export interface Stage {
  /** The level at which the model is evaluated. */
  readonly level: NoiseLevel;
  /** The next x. */
  readonly next: LinearForm;
  /** The new value of each history tensor; all start as zeros. */
  readonly history?: Readonly<Record<string, LinearForm>>;
  /** Before the evaluation x is replaced by churn.x * x + churn.noise * normal(). Only in plans with `churn`. */
  readonly churn?: { readonly x: number; readonly noise: number };
  /**
   * For a model with a learned variance: the noise term is scaled by exp(v / 2), v interpolated between these two log
   * variances by the second half of the output's channels. Eq. 15 of Nichol & Dhariwal 2021, arXiv:2102.09672.
   */
  readonly logVariance?: { readonly min: number; readonly max: number };
  /** Index of the sampling step, from 0. */
  readonly step: number;
  /** False if the step needs another evaluation. */
  readonly endsStep: boolean;
}

export interface SamplerPlan {
  readonly stages: readonly Stage[];
  readonly steps: number;
  /** Names of the tensors, each of x's shape, carried from stage to stage. */
  readonly history: readonly string[];
  /** Whether any stage uses fresh noise after the evaluation. */
  readonly noise: boolean;
  /** Whether any stage adds fresh noise before the evaluation. */
  readonly churn: boolean;
  /** Whether the model's output has 2C channels, the second half being the variance. */
  readonly learnedVariance: boolean;
}

export interface Sampler {
  readonly name: string;
  /** @throws {RangeError} if the sampler does not support the path or the prediction */
  plan(path: NoisePath, prediction: Prediction, options?: PredictionOptions): SamplerPlan;
}

/**
 * The plan of a sampler with one evaluation per step: calls `stage` for the two levels of each step. The model is
 * evaluated at the first, or at the `level` of the stage.
 * @throws {RangeError} if there is a history and a step of the path does not end at the start of the next one
 */
export function planOfSteps(
  path: NoisePath,
  stage: (
    from: NoiseLevel,
    to: NoiseLevel,
    step: number,
  ) => Omit<Stage, 'level' | 'step' | 'endsStep'> & Partial<Pick<Stage, 'level'>>,
  history: readonly string[] = [],
): SamplerPlan {
  if (history.length > 0) checkContiguous(path);
  return planOf(
    path.levels.slice(0, -1).map((from, step) => ({
      level: from,
      ...stage(from, (path.ends ?? path.levels.slice(1))[step]!, step),
      step,
      endsStep: true,
    })),
    history,
  );
}

/**
 * For samplers whose steps use results of earlier ones.
 * @throws {RangeError} if a step of the path does not end at the start of the next one
 */
export function checkContiguous({ ends }: NoisePath): void {
  if (ends) {
    throw new RangeError(
      'sampler: with the stepEnd "stride" steps do not end at the start of the next one, which only ddpm, ddim, euler and ' +
        'euler-ancestral support; use "next"',
    );
  }
}

/** A plan of these stages. Noise is generated only if some stage has a non-zero coefficient for it. */
export function planOf(stages: readonly Stage[], history: readonly string[] = []): SamplerPlan {
  const forms = stages.flatMap(({ next, history: kept = {} }) => [next, ...Object.values(kept)]);
  return {
    stages,
    steps: stages.filter((s) => s.endsStep).length,
    history,
    noise: forms.some((form) => (form['noise'] ?? 0) !== 0),
    churn: stages.some((s) => s.churn !== undefined),
    learnedVariance: stages.some((s) => s.logVariance !== undefined),
  };
}

/** The linear combination Σ c · form. */
export function combine(...parts: readonly (readonly [number, LinearForm])[]): LinearForm {
  const sum: Record<string, number> = {};
  for (const [c, form] of parts) {
    for (const [term, value] of Object.entries(form)) sum[term] = (sum[term] ?? 0) + c * value;
  }
  return sum;
}

/**
 * (to.sigma / to.alpha) / (from.sigma / from.alpha): how much a step shrinks the noise-to-signal ratio. Exactly 1 if both
 * levels are the same but for rounding, as at the end of a path that reaches the `final` level `first` by itself.
 */
export function ratioOfStep(from: NoiseLevel, to: NoiseLevel): number {
  const ratio = (from.alpha * to.sigma) / (to.alpha * from.sigma);
  return Math.abs(ratio - 1) < 1e-12 ? 1 : ratio;
}
