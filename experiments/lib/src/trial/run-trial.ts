/** One training with its measurements: from a trial to the numbers that are committed. */
import type { ScheduleState } from '@dm/curriculum';
import type { Dataset } from '@dm/data';
import type { Engine, NdArray } from '@dm/ops';
import { initialState, compileStep } from '@dm/trainer';
import { trialFields, type Trial } from '../recipe/trial.js';
import { displacementCosines, LAGS } from './displacement-cosines.js';
import type { Point, RawAndEma, TrialResult } from './result.js';
import { createImageSampler, type SampleMetric } from './sample-quality.js';
import { createPhases } from './setup.js';
import { trainingStep } from './training-step.js';
import { createValidator } from './validation.js';

/** What trials of one process share. */
export interface TrialContext {
  readonly engine: Engine;
  readonly train: Dataset;
  readonly heldOut: Dataset;
  readonly sampleMetric: SampleMetric;
}

/** Trains and measures. A run that diverges is a result too: it ends there. */
export async function runTrial(trial: Trial, context: TrialContext): Promise<TrialResult> {
  const { arm, size } = trial;
  const { engine, sampleMetric } = context;
  const phases = createPhases(trial, context.train);
  const denoiser = phases[0]!.setup;
  const totalSteps = phases.at(-1)!.end;
  let phase = phases[0]!;
  let stepper = await compileStep(phase.setup, engine, initialState(denoiser));
  const validator = await createValidator(denoiser, context.heldOut, size.validationImages, engine, 'epsilon');
  const maker = createImageSampler(denoiser, size.samplerSteps, engine);
  const path = size.pathEvery > 0 ? displacementCosines() : undefined;
  const validateAt = evenlySpacedSteps(size.validations, totalSteps);
  const sampleAt = evenlySpacedSteps(size.sampleEvaluations, totalSteps);

  let schedule: ScheduleState | undefined = denoiser.curriculum.initialState?.();
  const losses: number[] = [];
  const points: Point[] = [];
  let divergedAt: number | undefined;
  let images = 0;
  let measuring = 0;
  const began = performance.now();

  for (let step = 0; step < totalSteps; step++) {
    if (step === phase.end) {
      phase = phases.find(({ first }) => first === step)!;
      const arrays = await stepper.state.read();
      await stepper.dispose();
      stepper = await compileStep(phase.setup, engine, arrays);
    }
    const { result, schedule: after } = await trainingStep(stepper, phase.setup, arm.recipe.coupling, step, schedule);
    schedule = after;
    losses.push(result.loss);
    images += phase.setup.config.batchSize;
    if (!result.isFinite) {
      divergedAt = step + 1;
      break;
    }

    const done = step + 1;
    const isPathRead = path !== undefined && done % size.pathEvery === 0;
    if (!isPathRead && !validateAt.has(done) && !sampleAt.has(done)) continue;
    const pause = performance.now();
    const arrays = await stepper.state.read();
    if (isPathRead) path.add(arrays['params']!.data as Float32Array);
    if (validateAt.has(done) || sampleAt.has(done)) {
      const weights = { raw: arrays['params']!, ema: arrays['ema']! };
      const validation = validateAt.has(done) ? await forRawAndEma(weights, (w) => validator.validate(w)) : undefined;
      if (validation !== undefined && !Number.isFinite(validation.raw.loss)) {
        divergedAt = done;
        break;
      }
      const samples = sampleAt.has(done)
        ? await forRawAndEma(weights, async (w) => sampleMetric.evaluate(await maker.samples(w, size.samples)))
        : undefined;
      points.push({
        step: done,
        images,
        ...(validation !== undefined && { validation }),
        ...(samples !== undefined && { samples }),
      });
    }
    measuring += performance.now() - pause;
  }

  const total = performance.now() - began;
  await maker.dispose();
  await validator.dispose();
  await stepper.dispose();
  const { name, weightsSha256 } = sampleMetric.extractor;
  return roundNumbers({
    ...trialFields(trial),
    stage: trial.stage,
    steps: totalSteps,
    parameters: denoiser.layout.size,
    trainingLoss: lossByTenth(losses, totalSteps),
    points,
    ...(divergedAt !== undefined && { divergedAt }),
    ...(path !== undefined && losses.length > (LAGS + 2) * size.pathEvery * 2 && { pathCosines: path.cosines() }),
    seconds: { training: (total - measuring) / 1000, measuring: measuring / 1000 },
    extractor: { name, weightsSha256 },
  });
}

/** The steps after which the k-th of `count` measurements is made, the last one after the last step. */
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

/** Six digits of every measured number: more would be noise, and grow the repository. */
function roundNumbers(result: TrialResult): TrialResult {
  const round = (value: unknown): unknown => {
    if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(6));
    if (Array.isArray(value)) return value.map(round);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, round(inner)]));
  };
  return { ...(round(result) as TrialResult), recipe: result.recipe, size: result.size };
}
