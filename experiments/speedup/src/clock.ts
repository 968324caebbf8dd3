/** Step times of recipes, side by side in one process: what a speed-up in steps is worth by the clock. */
import {
  setUp,
  trainingStep,
  trialFields,
  type AnyResult,
  type Arm,
  type Size,
  type TrainingRecipe,
  type Workshop,
} from '@dm/experiments';
import { initialState, compileStep } from '@dm/trainer';
import { cpus } from 'node:os';

/** A measurement of all recipes at once, where a trial of another kind trains one. */
export interface ClockTrial {
  readonly stage: 'clock';
  readonly arm: {
    readonly name: 'step-times';
    readonly about: string;
    readonly recipe: { readonly recipes: Readonly<Record<string, TrainingRecipe>>; readonly rounds: number };
  };
  readonly size: Size;
  readonly seed: number;
}

/** Of one recipe's steps, in milliseconds. */
export interface StepTimes {
  readonly median: number;
  /** Quartiles. */
  readonly low: number;
  readonly high: number;
  readonly steps: number;
}

export interface ClockResult extends AnyResult {
  readonly recipe: ClockTrial['arm']['recipe'];
  readonly size: Size;
  readonly stepMs: Readonly<Record<string, StepTimes>>;
  readonly machine: { readonly cpu: string; readonly node: string };
}

/** Steps of a recipe before the next one's turn. */
const TURN = 5;

export function clockTrial(arms: readonly Arm[], size: Size, rounds: number): ClockTrial {
  const recipes = Object.fromEntries(arms.map(({ name, recipe }) => [name, recipe]));
  const about = 'step times, all recipes in turn in one process';
  return { stage: 'clock', arm: { name: 'step-times', about, recipe: { recipes, rounds } }, size, seed: 0 };
}

/**
 * Every recipe has its turn in every round, so that what disturbs the machine disturbs all; the first round is not
 * counted. A step is batch, coupling, timesteps, and the compiled step, without measurements.
 */
export async function measureSteps(trial: ClockTrial, { engine, train }: Workshop): Promise<ClockResult> {
  const { arm, size, seed } = trial;
  const { recipes, rounds } = arm.recipe;
  const began = performance.now();
  const runs = [];
  for (const [name, recipe] of Object.entries(recipes)) {
    const [phase] = setUp({ stage: trial.stage, arm: { name, about: '', recipe }, size, seed }, train);
    const made = phase!.recipe;
    runs.push({
      name,
      recipe: made,
      coupling: recipe.coupling,
      stepper: await compileStep(made, engine, initialState(made)),
      schedule: made.curriculum.initialState?.(),
      times: [] as number[],
    });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const run of runs) {
      for (let i = 0; i < TURN; i++) {
        const from = performance.now();
        const { schedule } = await trainingStep(run.stepper, run.recipe, run.coupling, round * TURN + i, run.schedule);
        if (round > 0) run.times.push(performance.now() - from);
        run.schedule = schedule;
      }
    }
  }
  for (const { stepper } of runs) await stepper.dispose();
  return {
    ...trialFields(trial),
    stepMs: Object.fromEntries(runs.map(({ name, times }) => [name, summaryOf(times)])),
    machine: { cpu: cpus()[0]?.model.trim() ?? 'unknown', node: process.versions.node },
    seconds: { training: 0, measuring: (performance.now() - began) / 1000 },
  };
}

function summaryOf(times: readonly number[]): StepTimes {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Number(sorted[Math.round(share * (sorted.length - 1))]!.toFixed(3));
  return { median: at(0.5), low: at(0.25), high: at(0.75), steps: times.length };
}
