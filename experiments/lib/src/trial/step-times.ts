/** Measures step times of recipes in one process, to convert speed-ups in steps to speed-ups in time. */
import { cpus } from 'node:os';
import { compileStep, initialState, trainingSteps } from '@dm/trainer';
import type { TrainingRecipe } from '../recipe/recipe.js';
import type { Size } from '../recipe/sizes.js';
import { trialFields, type AnyResult, type Arm } from '../recipe/trial.js';
import { batchTransform } from './coupling.js';
import type { TrialContext } from './run-trial.js';
import { createPhases } from './setup.js';

/** A trial that times the steps of all recipes, instead of training one. */
export interface StepTimeTrial {
  readonly stage: 'clock';
  readonly arm: {
    readonly name: 'step-times';
    readonly about: string;
    readonly recipe: { readonly recipes: Readonly<Record<string, TrainingRecipe>>; readonly rounds: number };
  };
  readonly size: Size;
  readonly seed: number;
}

/** Step times of one recipe, in milliseconds. */
export interface StepTimes {
  readonly median: number;
  /** Lower and upper quartile. */
  readonly low: number;
  readonly high: number;
  readonly steps: number;
}

export interface StepTimeResult extends AnyResult {
  readonly recipe: StepTimeTrial['arm']['recipe'];
  readonly size: Size;
  readonly stepMs: Readonly<Record<string, StepTimes>>;
  readonly machine: { readonly cpu: string; readonly node: string };
}

/** Consecutive steps of a recipe before the next recipe runs. */
const STEPS_PER_TURN = 5;

export function stepTimeTrial(arms: readonly Arm[], size: Size, rounds: number): StepTimeTrial {
  const recipes = Object.fromEntries(arms.map(({ name, recipe }) => [name, recipe]));
  const about = 'step times, all recipes in turn in one process';
  return { stage: 'clock', arm: { name: 'step-times', about, recipe: { recipes, rounds } }, size, seed: 0 };
}

/**
 * Measures the recipes in rounds, in turn, so that load from other programs affects all of them. The first round is a
 * warm-up. A step includes batch, coupling, timesteps, and the compiled step, but no measurements.
 */
export async function measureStepTimes(trial: StepTimeTrial, { engine, train }: TrialContext): Promise<StepTimeResult> {
  const { arm, size, seed } = trial;
  const { recipes, rounds } = arm.recipe;
  const began = performance.now();
  const runs = [];
  for (const [name, recipe] of Object.entries(recipes)) {
    const [phase] = createPhases({ stage: trial.stage, arm: { name, about: '', recipe }, size, seed }, train);
    const { setup } = phase!;
    const compiledStep = await compileStep(setup, engine, initialState(setup));
    const steps = trainingSteps(setup, compiledStep, {
      endStep: (rounds + 1) * STEPS_PER_TURN,
      transformBatch: batchTransform(recipe.coupling),
      // Include the time of a batch in its own step.
      prefetch: false,
    });
    runs.push({ name, compiledStep, steps, times: [] as number[] });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { steps, times } of runs) {
      for (let i = 0; i < STEPS_PER_TURN; i++) {
        const { value } = await steps.next();
        if (round > 0) times.push(1000 * value!.seconds);
      }
    }
  }
  for (const { compiledStep } of runs) await compiledStep.dispose();
  return {
    ...trialFields(trial),
    stepMs: Object.fromEntries(runs.map(({ name, times }) => [name, quartiles(times)])),
    machine: { cpu: cpus()[0]?.model.trim() ?? 'unknown', node: process.versions.node },
    seconds: { training: 0, measuring: (performance.now() - began) / 1000 },
  };
}

function quartiles(times: readonly number[]): StepTimes {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Number(sorted[Math.round(share * (sorted.length - 1))]!.toFixed(3));
  return { median: at(0.5), low: at(0.25), high: at(0.75), steps: times.length };
}
