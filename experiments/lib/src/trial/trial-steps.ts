/** The training of a trial, step by step, by the trainer's own loop. */
import type { ScheduleState } from '@dm/curriculum';
import type { Arrays, Engine, StateHandle } from '@dm/ops';
import { compileStep, initialState, NonFiniteGuard, trainingSteps, type StepOutcome } from '@dm/trainer';
import type { TrainingRecipe } from '../recipe/recipe.js';
import { batchTransform } from './coupling.js';
import type { Phase } from './setup.js';

export interface TrialStep extends StepOutcome {
  /** Images seen, those of this step included. */
  readonly images: number;
  /** Parameters, averages and slots after the step; valid until the next one. */
  readonly state: StateHandle;
}

export interface TrialStepsOptions {
  /** How images and noise of a batch are paired. Default independent. */
  readonly coupling?: TrainingRecipe['coupling'];
  /** Tells whether an error of this training was a divergence. Default one of the configuration's. */
  readonly guard?: NonFiniteGuard;
}

/**
 * The optimizer steps of all phases, which are parts of one run: the next phase goes on from the state of the one before.
 *
 * @throws {UserError} at the first update that is not finite
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

/** Counts the updates of a training that are not finite, all phases together. */
export function createGuard(phases: readonly Phase[]): NonFiniteGuard {
  return new NonFiniteGuard(phases[0]!.setup.config.maxSkippedSteps);
}
