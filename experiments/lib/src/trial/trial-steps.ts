/** The training steps of a trial, with the trainer's loop. */
import type { ScheduleState } from '@dm/curriculum';
import type { Arrays, Engine, StateHandle } from '@dm/ops';
import { compileStep, initialState, NonFiniteGuard, trainingSteps, type StepOutcome } from '@dm/trainer';
import type { TrainingRecipe } from '../recipe/recipe.js';
import { batchTransform } from './coupling.js';
import type { Phase } from './setup.js';

export interface TrialStep extends StepOutcome {
  /** Images seen so far, including this step. */
  readonly images: number;
  /** Parameters, averages, and optimizer slots after the step; valid until the next step. */
  readonly state: StateHandle;
}

export interface TrialStepsOptions {
  /** How images and noise of a batch are paired. Default: independent. */
  readonly coupling?: TrainingRecipe['coupling'];
  /** Guard against non-finite updates; `isSkipping` tells whether an error was a divergence. Default: `createGuard`. */
  readonly guard?: NonFiniteGuard;
}

/**
 * The optimizer steps of all phases. Each phase continues from the state of the previous one.
 *
 * @throws {UserError} at the first non-finite update
 */
export async function* trialSteps(
  phases: readonly Phase[],
  engine: Engine,
  { coupling = 'independent', guard = createGuard(phases) }: TrialStepsOptions = {},
): AsyncGenerator<TrialStep, void, undefined> {
  let arrays: Arrays = initialState(phases[0]!.setup);
  let curriculumState: ScheduleState | undefined;
  let images = 0;
  for (const { setup, first, end } of phases) {
    const compiledStep = await compileStep(setup, engine, arrays);
    const { state } = compiledStep;
    try {
      const steps = trainingSteps(setup, compiledStep, {
        firstStep: first,
        endStep: end,
        curriculumState,
        transformBatch: batchTransform(coupling),
        guard,
      });
      for await (const outcome of steps) {
        ({ curriculumState } = outcome);
        images += setup.config.batchSize;
        yield { ...outcome, images, state };
      }
      if (phases.at(-1)!.end !== end) arrays = await state.read();
    } finally {
      await compiledStep.dispose();
    }
  }
}

/** A guard that counts non-finite updates across all phases. */
export function createGuard(phases: readonly Phase[]): NonFiniteGuard {
  return new NonFiniteGuard(phases[0]!.setup.config.maxSkippedSteps);
}
