/** `dm train --dry-run`: estimates time and memory without starting a run. */
import { summaryText } from '@dm/models';
import { bench, type BenchResult } from './bench.js';
import type { Config } from '../config/schema.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { resolveConfig, type Layer } from '../config/resolve.js';
import { availableMemory } from '../machine/available-memory.js';
import { checkTrainingMemory, estimateMemory } from '../setup/memory.js';
import { stateBytes, tensorBytes } from '../setup/state-table.js';

/** What is known of a training by arithmetic, before anything of the model's size is allocated. */
export interface TrainingPlan {
  /** Complete: what the data say about the model is filled in. */
  readonly config: Config;
  /** Parameters, multiply-adds and activations by module, as a table. */
  readonly model: string;
  readonly parameters: number;
  /** Bytes that a run holds at least: its state, a batch, and part of the activations. */
  readonly memoryBytes: number;
  /** Bytes of the state that a run holds: parameters, averages, the optimizer's slots, summed gradients. */
  readonly stateBytes: number;
  /** Bytes of a checkpoint's tensors. */
  readonly checkpointBytes: number;
}

export interface DryRun extends TrainingPlan {
  /** Steps that were run on the engine and thrown away; absent if `notMeasured`. */
  readonly measured?: BenchResult;
  /** Seconds of all steps at that speed; samples, evaluations and checkpoints come on top. An extrapolation. */
  readonly seconds?: number;
  /** Why no steps were run. */
  readonly notMeasured?: string;
}

export interface DryRunOptions {
  /** Receives the plan before the machine's memory is compared with it, and before any step is run. */
  readonly onPlan?: (plan: TrainingPlan) => void;
  /** Measure a training that is larger than this machine's memory too. */
  readonly skipMemoryCheck?: boolean;
  /** Runs steps of a configuration; a text says why not. Default: two timed steps in this process. */
  readonly measure?: (config: Config) => Promise<BenchResult | string>;
}

/** Steps that are run and timed, after the first, which compiles, and one more. */
export const dryRunSteps = { steps: 2, warmup: 1 } as const;

/** A training that holds more at least than this is not measured: its steps may take many times as much. */
const measuredAtMostBytes = 2 ** 29;

/**
 * Resolves the layers, opens the data, and runs a few steps if they need little memory. Writes nothing.
 *
 * @throws {UserError} as `train` does: `OUT_OF_MEMORY` if the training is larger than this machine's memory
 */
export async function dryRun(layers: readonly Layer[], options: DryRunOptions = {}): Promise<DryRun> {
  const { onPlan, skipMemoryCheck = false, measure = (config) => bench(config, dryRunSteps) } = options;
  const setup = await openTrainingSetup(resolveConfig(layers), { skipMemoryCheck: true });
  const { config, model, layout } = setup;
  const estimate = estimateMemory(setup);
  const plan: TrainingPlan = {
    config,
    model: summaryText(model),
    parameters: layout.size,
    memoryBytes: estimate.bytes,
    stateBytes: stateBytes(setup),
    checkpointBytes: tensorBytes(setup),
  };
  onPlan?.(plan);
  checkTrainingMemory(estimate, availableMemory(), skipMemoryCheck);
  const measured =
    estimate.bytes > measuredAtMostBytes ? 'a training of this size takes long to compile' : await measure(config);
  if (typeof measured === 'string') return { ...plan, notMeasured: measured };
  return { ...plan, measured, seconds: (config.totalSteps * measured.stepMs.median) / 1000 };
}
