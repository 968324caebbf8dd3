/** Training steps one after the other, as `train` runs them, without logs, samples and checkpoints. */
import type { Engine } from '@dm/ops';
import { drawTimesteps, fetchBatch, type Batch } from '../step/batch.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { initialState } from '../checkpoint/state.js';
import { compileStep } from '../step/compiled-step.js';

/** Runs the next step and reads the batch of the one after it; returns the milliseconds of both. */
export type TimedStep = () => Promise<number>;

/** Compiles the step on `engine`, which owns what this makes, and puts a new state in. */
export async function openTimedSteps(setup: TrainingSetup, engine: Engine): Promise<TimedStep> {
  const { curriculum } = setup;
  const stepper = await compileStep(setup, engine, initialState(setup));
  let scheduleState = curriculum.initialState?.();
  let batch: Batch = await fetchBatch(setup, 0);
  let step = 0;
  return async () => {
    const began = performance.now();
    const draw = drawTimesteps(setup, step, scheduleState);
    const { losses } = await stepper.run(step, batch, draw);
    if (scheduleState !== undefined && curriculum.update !== undefined) {
      scheduleState = curriculum.update(scheduleState, draw.timesteps, losses);
    }
    step++;
    // `train` asks for the next batch while the step is computed; here it comes after, so that the two can be told apart.
    batch = await fetchBatch(setup, step);
    return performance.now() - began;
  };
}
