/** `dm train --dry-run`: estimates time and memory without starting a run. */
import { summaryText } from '@dm/models';
import { bench, type BenchResult } from './bench.js';
import type { Config } from '../config/schema.js';
import { checkConversion } from '../setup/check-conversion.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { resolveConfig, type Layer } from '../config/resolve.js';
import { availableMemory } from '../machine/available-memory.js';
import { alone } from '../setup/group.js';
import { checkTrainingMemory, estimateMemory, type MemoryEstimate } from '../setup/memory.js';
import { stateBytes, tensorBytes } from '../setup/state-table.js';

/** Facts about a training that are computed, without allocating the model. */
export interface TrainingPlan {
  /** Complete configuration, including model fields derived from the data. */
  readonly config: Config;
  /** Parameters, multiply-adds and activations by module, as a table. */
  readonly model: string;
  readonly parameters: number;
  /** Lower bound of the memory in bytes: state, a batch, and part of the activations. */
  readonly memoryBytes: number;
  /** Computed size of the state in bytes: parameters, averages, optimizer slots, accumulated gradients. */
  readonly stateBytes: number;
  /** Computed size of a checkpoint's tensors, in bytes. */
  readonly checkpointBytes: number;
}

export interface DryRun extends TrainingPlan {
  /** Measurement of two steps on the engine, whose results are discarded; absent if `notMeasured`. */
  readonly measured?: BenchResult;
  /** Estimated seconds for all steps at that speed, excluding samples, evaluations and checkpoints. */
  readonly seconds?: number;
  /** Why no steps were run. */
  readonly notMeasured?: string;
}

export interface DryRunOptions {
  /** Receives the plan before the memory is checked and any step is run. */
  readonly onPlan?: (plan: TrainingPlan) => void;
  /** Measure even if training needs more memory than this machine has. */
  readonly skipMemoryCheck?: boolean;
  /** Number of processes that would train together; the plan is the one of each. Default: 1. */
  readonly ranks?: number;
  /** Measures steps of a configuration, or returns why it cannot. Default: two timed steps in this process. */
  readonly measure?: (config: Config) => Promise<BenchResult | string>;
}

/** Timed steps, after the first one, which compiles, and one warm-up step. */
export const dryRunSteps = { steps: 2, warmup: 1 } as const;

/** A training whose lower bound exceeds this is not measured: its steps may need many times as much memory. */
const measuredAtMostBytes = 2 ** 29;

/**
 * Resolves the layers, opens the data, and runs a few steps if they need little memory. Writes nothing.
 *
 * @throws {UserError} in the cases of `train`, such as `OUT_OF_MEMORY` if training needs more memory than this machine has
 */
export async function dryRun(layers: readonly Layer[], options: DryRunOptions = {}): Promise<DryRun> {
  const { onPlan, skipMemoryCheck = false, ranks = 1, measure = (config) => bench(config, dryRunSteps) } = options;
  const group = { ...alone, size: ranks };
  const setup = await openTrainingSetup(resolveConfig(layers), { skipMemoryCheck: true, group });
  const { config, model, layout } = setup;
  checkConversion(config, setup.dataset);
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
  const measured = reasonNotToMeasure(estimate, ranks) ?? (await measure(config));
  if (typeof measured === 'string') return { ...plan, notMeasured: measured };
  return { ...plan, measured, seconds: (config.totalSteps * measured.stepMs.median) / 1000 };
}

function reasonNotToMeasure({ bytes }: MemoryEstimate, ranks: number): string | undefined {
  if (ranks > 1) return `a step of ${ranks} ranks depends on their exchange of gradients`;
  return bytes > measuredAtMostBytes ? 'a training of this size takes long to compile' : undefined;
}
