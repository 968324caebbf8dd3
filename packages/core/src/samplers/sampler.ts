/**
 * What a sampler is: a plan, computed once on the host in float64, of what each evaluation of the model is combined
 * with. Every sampler here is linear in (x, the model's output, the x_0 that it means, fresh noise, what it remembers),
 * so a plan is a table of coefficients, and one tensor function (`samplerStep`) runs all of them.
 *
 * Clipping and thresholding act on x_0 before it is combined; `output` stays what the model said.
 */
import type { NoiseLevel, NoisePath } from '../levels/level.js';
import type { Prediction, PredictionOptions } from '../process/prediction.js';

/** Coefficients by term: `x`, `output`, `x0`, `noise`, or a name of the plan's history. Terms left out count 0. */
export type LinearForm = Readonly<Record<string, number>>;

/** One evaluation of the model and what follows from it. */
export interface Stage {
  /** The level at which the model is evaluated. */
  readonly level: NoiseLevel;
  /** The next x. */
  readonly next: LinearForm;
  /** The new value of each tensor of the history; all are zeros at the beginning. */
  readonly history?: Readonly<Record<string, LinearForm>>;
  /** Before the evaluation x becomes x · x + noise · noise; of plans with `churn`. */
  readonly churn?: { readonly x: number; readonly noise: number };
  /**
   * For a model with a learned range of variance: the noise term is scaled by exp(v/2), v the interpolation between
   * these, by the upper half of the output's channels. Eq. 15 of Nichol & Dhariwal 2021, arXiv:2102.09672.
   */
  readonly logVariance?: { readonly min: number; readonly max: number };
  /** The sampling step that this evaluation belongs to, from 0. */
  readonly step: number;
  /** False if the step needs a further evaluation. */
  readonly endsStep: boolean;
}

export interface SamplerPlan {
  readonly stages: readonly Stage[];
  readonly steps: number;
  /** Names of the tensors, of x's shape, that are carried from stage to stage. */
  readonly history: readonly string[];
  /** Whether any stage uses fresh noise after the evaluation. */
  readonly noise: boolean;
  /** Whether any stage adds fresh noise before it. */
  readonly churn: boolean;
  /** Whether the model's output has 2C channels, the second half for the variance. */
  readonly learnedVariance: boolean;
}

export interface Sampler {
  readonly name: string;
  /**
   * @throws {RangeError} if the path or the prediction does not suit the sampler
   */
  plan(path: NoisePath, prediction: Prediction, options?: PredictionOptions): SamplerPlan;
}

/** Calls `stage` for each pair of neighboring levels; for samplers with one evaluation per step. */
export function planOfSteps(
  path: NoisePath,
  stage: (from: NoiseLevel, to: NoiseLevel, step: number) => Omit<Stage, 'level' | 'step' | 'endsStep'>,
  history: readonly string[] = [],
): SamplerPlan {
  return planOf(
    path.levels.slice(0, -1).map((from, step) => ({
      ...stage(from, path.levels[step + 1]!, step),
      level: from,
      step,
      endsStep: true,
    })),
    history,
  );
}

/** A plan of these stages. Terms with coefficient 0 in every stage are not asked of the engine. */
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

/** The sum of forms, each times a number: Σ c · form. */
export function combine(...parts: readonly (readonly [number, LinearForm])[]): LinearForm {
  const sum: Record<string, number> = {};
  for (const [c, form] of parts) {
    for (const [term, value] of Object.entries(form)) sum[term] = (sum[term] ?? 0) + c * value;
  }
  return sum;
}

/** alpha_s sigma_t / (alpha_t sigma_s): the noise-to-signal ratio after a step over that before it, in [0, 1). */
export function ratioOfStep(from: NoiseLevel, to: NoiseLevel): number {
  return (from.alpha * to.sigma) / (to.alpha * from.sigma);
}
