/** Runs one trial: training and measurements. */
import type { Dataset } from '@dm/data';
import type { Engine, NdArray } from '@dm/ops';
import { trialFields, type Trial } from '../recipe/trial.js';
import type { Point, RawAndEma, TrialResult } from './result.js';
import { createImageSampler, type SampleMetric } from './sample-quality.js';
import { createPhases } from './setup.js';
import { createGuard, trialSteps } from './trial-steps.js';
import { createValidator } from './validation.js';

/** Objects shared by the trials of a worker process. */
export interface TrialContext {
  readonly engine: Engine;
  readonly train: Dataset;
  readonly heldOut: Dataset;
  readonly sampleMetric: SampleMetric;
}

/** Trains and measures one trial. If training diverges, the result ends at that step. */
export async function runTrial(trial: Trial, context: TrialContext): Promise<TrialResult> {
  const { arm, size } = trial;
  const { engine, sampleMetric } = context;
  const phases = createPhases(trial, context.train);
  const denoiser = phases[0]!.setup;
  const totalSteps = phases.at(-1)!.end;
  const validator = await createValidator(denoiser, context.heldOut, size.validationImages, engine, 'epsilon');
  const sampler = createImageSampler(denoiser, size.samplerSteps, engine);
  const validateAt = evenlySpacedSteps(size.validations, totalSteps);
  const sampleAt = evenlySpacedSteps(size.sampleEvaluations, totalSteps);

  const losses: number[] = [];
  const points: Point[] = [];
  const guard = createGuard(phases);
  let divergedAt: number | undefined;
  let measuring = 0;
  const began = performance.now();

  try {
    for await (const { step, images, result, state } of trialSteps(phases, engine, {
      coupling: arm.recipe.coupling,
      guard,
    })) {
      losses.push(result.loss);
      if (!validateAt.has(step) && !sampleAt.has(step)) continue;
      const pause = performance.now();
      const arrays = await state.read();
      const weights = { raw: arrays['params']!, ema: arrays['ema']! };
      const validation = validateAt.has(step) ? await forRawAndEma(weights, (w) => validator.validate(w)) : undefined;
      if (validation !== undefined && !Number.isFinite(validation.raw.loss)) {
        divergedAt = step;
        break;
      }
      const samples = sampleAt.has(step)
        ? await forRawAndEma(weights, async (w) => sampleMetric.evaluate(await sampler.samples(w, size.samples)))
        : undefined;
      points.push({
        step,
        images,
        ...(validation !== undefined && { validation }),
        ...(samples !== undefined && { samples }),
      });
      measuring += performance.now() - pause;
    }
  } catch (error) {
    if (!guard.isSkipping) throw error;
    losses.push(NaN);
    divergedAt = losses.length;
  }

  const total = performance.now() - began;
  await sampler.dispose();
  await validator.dispose();
  const { name, weightsSha256 } = sampleMetric.extractor;
  return roundNumbers({
    ...trialFields(trial),
    stage: trial.stage,
    steps: totalSteps,
    parameters: denoiser.layout.size,
    trainingLoss: lossByTenth(losses, totalSteps),
    points,
    ...(divergedAt !== undefined && { divergedAt }),
    seconds: { training: (total - measuring) / 1000, measuring: measuring / 1000 },
    extractor: { name, weightsSha256 },
  });
}

/** The steps after which `count` measurements are made, evenly spaced, the last one after the last step. */
function evenlySpacedSteps(count: number, totalSteps: number): ReadonlySet<number> {
  return new Set(Array.from({ length: count }, (_, k) => Math.round(((k + 1) * totalSteps) / count)));
}

async function forRawAndEma<V>(
  { raw, ema }: RawAndEma<NdArray>,
  of: (weights: NdArray) => Promise<V>,
): Promise<RawAndEma<V>> {
  return { raw: await of(raw), ema: await of(ema) };
}

function lossByTenth(losses: readonly number[], totalSteps: number): (number | null)[] {
  return Array.from({ length: 10 }, (_, k) => {
    const part = losses.slice(Math.round((k * totalSteps) / 10), Math.round(((k + 1) * totalSteps) / 10));
    const mean = part.reduce((sum, loss) => sum + loss, 0) / part.length;
    return Number.isFinite(mean) ? mean : null;
  });
}

/** Rounds measured numbers to six significant digits, to keep committed files small. */
function roundNumbers(result: TrialResult): TrialResult {
  const round = (value: unknown): unknown => {
    if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(6));
    if (Array.isArray(value)) return value.map(round);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, round(inner)]));
  };
  return { ...(round(result) as TrialResult), recipe: result.recipe, size: result.size };
}
