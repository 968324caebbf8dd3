/** Training steps one after the other, as `train` runs them, without logs, samples and checkpoints. */
import type { Engine } from '@dm/ops';
import type { TrainingSetup } from '../setup/training-setup.js';
import { initialState } from '../checkpoint/state.js';
import { compileStep } from '../step/compiled-step.js';
import { trainingSteps } from '../step/training-loop.js';

/** Compiles the step on `engine`, which owns what this makes, and yields the milliseconds of each of the first `count` steps. */
export async function* timedSteps(
  setup: TrainingSetup,
  engine: Engine,
  count: number,
): AsyncGenerator<number, void, undefined> {
  const compiledStep = await compileStep(setup, engine, initialState(setup));
  // `train` reads the next batch while a step is computed; here it comes before, so that the two can be told apart.
  const steps = trainingSteps(setup, compiledStep, { endStep: count, prefetch: false });
  for await (const { seconds } of steps) yield 1000 * seconds;
}
