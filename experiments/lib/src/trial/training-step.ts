/** One step of a recipe, as trainings do it and as it is timed. */
import type { ScheduleState } from '@dm/curriculum';
import { drawTimesteps, fetchBatch, type TrainingSetup, type compileStep } from '@dm/trainer';
import type { TrainingRecipe } from '../recipe/recipe.js';
import { immiscibleNoise } from './coupling.js';

type CompiledStep = Awaited<ReturnType<typeof compileStep>>;

/** Optimizer step `step` (from 0), with the curriculum's state before it; `schedule` is the state after it. */
export async function trainingStep(
  stepper: CompiledStep,
  setup: TrainingSetup,
  coupling: TrainingRecipe['coupling'],
  step: number,
  schedule: ScheduleState | undefined,
): Promise<{
  readonly result: Awaited<ReturnType<CompiledStep['run']>>;
  readonly schedule: ScheduleState | undefined;
}> {
  const batch = await fetchBatch(setup, step);
  const coupled = coupling === 'immiscible' ? { ...batch, noise: immiscibleNoise(batch.images, batch.noise) } : batch;
  const draw = drawTimesteps(setup, step, schedule);
  const result = await stepper.run(step, coupled, draw);
  const { curriculum } = setup;
  const updated =
    schedule === undefined || curriculum.update === undefined
      ? schedule
      : curriculum.update(schedule, draw.timesteps, result.losses);
  return { result, schedule: updated };
}
