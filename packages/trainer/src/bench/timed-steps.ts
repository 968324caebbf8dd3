/** Training steps one after the other, as `train` runs them, without logs, samples and checkpoints. */
import type { Engine } from '@dm/ops';
import { drawTimesteps, fetchBatch, type Batch } from '../batch.js';
import type { Recipe } from '../recipe.js';
import { initialState } from '../state.js';
import { openStepper } from '../stepper.js';

/** Runs the next step and reads the batch of the one after it; returns the milliseconds of both. */
export type TimedStep = () => Promise<number>;

/** Compiles the step on `engine`, which owns what this makes, and puts a new state in. */
export async function openTimedSteps(recipe: Recipe, engine: Engine): Promise<TimedStep> {
  const { curriculum } = recipe;
  const stepper = await openStepper(recipe, engine, initialState(recipe));
  let scheduleState = curriculum.initialState?.();
  let batch: Batch = await fetchBatch(recipe, 0);
  let step = 0;
  return async () => {
    const began = performance.now();
    const draw = drawTimesteps(recipe, step, scheduleState);
    const { losses } = await stepper.run(step, batch, draw);
    if (scheduleState !== undefined && curriculum.update !== undefined) {
      scheduleState = curriculum.update(scheduleState, draw.timesteps, losses);
    }
    step++;
    // `train` asks for the next batch while the step is computed; here it comes after, so that the two can be told apart.
    batch = await fetchBatch(recipe, step);
    return performance.now() - began;
  };
}
