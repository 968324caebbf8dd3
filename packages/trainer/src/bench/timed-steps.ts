/** Timing of training steps, as run by `train`, without logs, samples and checkpoints. */
import type { Engine } from '@dm/ops';
import type { TrainingSetup } from '../setup/training-setup.js';
import { initialState } from '../checkpoint/state.js';
import { compileStep } from '../step/compiled-step.js';
import { trainingSteps } from '../step/training-loop.js';

/** Compiles the step on `engine`, which owns the result, and yields the duration of the first `count` steps in milliseconds. */
export async function* timedSteps(
  setup: TrainingSetup,
  engine: Engine,
  count: number,
): AsyncGenerator<number, void, undefined> {
  const compiledStep = await compileStep(setup, engine, initialState(setup));
  // `train` reads the next batch during a step; here it is read before, so that both can be timed separately.
  const steps = trainingSteps(setup, compiledStep, { endStep: count, prefetch: false });
  for await (const { seconds } of steps) yield 1000 * seconds;
}
