/** Numbers of steps that take the recipes equally long. */
import { cpus } from 'node:os';
import { bench, resolveConfig, spread, type Config } from '@dm/trainer';
import { timedAs, type timed } from './recipes.js';

/** Recipes that were measured in turn on one machine, always with `mnist` among them. */
export interface StepTimes {
  /** Processor and number of cores. */
  readonly machine: string;
  /** Median time of a training step in ms, by recipe, measured in turn. */
  readonly ms: Readonly<Record<string, number>>;
  /** Steps in the time of the preset `mnist`, rounded to twenty. */
  readonly steps: Readonly<Record<string, number>>;
}

const ROUNDS = 11;
export const BASELINE = 'mnist';
/** Step times of one recipe vary by a percent or two. */
const ROUND_TO = 20;

export async function measureSteps(recipes: typeof timed): Promise<StepTimes> {
  const configs = Object.entries(recipes).map(([name, { config }]): [string, Config] => [
    name,
    resolveConfig([{ source: name, value: config }]),
  ]);
  const measured = new Map<string, number[]>(configs.map(([name]) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, config] of configs) {
      const { stepMs } = await bench(config, { steps: 10 });
      measured.get(name)!.push(stepMs.median);
    }
  }
  const ms = Object.fromEntries([...measured].map(([name, times]) => [name, spread(times).median]));
  const { totalSteps } = Object.fromEntries(configs)[BASELINE]!;
  const steps = Object.entries(ms).map(([name, time]) => [
    name,
    ROUND_TO * Math.round((totalSteps * ms[BASELINE]!) / time / ROUND_TO),
  ]);
  const machine = `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`;
  return { machine, ms, steps: Object.fromEntries(steps) };
}

/** The measurement that has the step time of a recipe. */
export const measurementOf = (recipe: string, times: readonly StepTimes[]): StepTimes =>
  times.find(({ ms }) => ms[timedAs(recipe)] !== undefined)!;

/** Training steps of a recipe, by the measurement that has it. */
export const stepsOf = (recipe: string, times: readonly StepTimes[]): number =>
  measurementOf(recipe, times).steps[timedAs(recipe)]!;

/** Step time of a recipe divided by the one of `mnist`, by the measurement that has it. */
export function relativeTime(recipe: string, times: readonly StepTimes[]): number {
  const { ms } = measurementOf(recipe, times);
  return ms[timedAs(recipe)]! / ms[BASELINE]!;
}
