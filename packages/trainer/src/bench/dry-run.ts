/** What a training would be, without beginning it: `dm train --dry-run`. */
import { summaryText } from '@dm/models';
import { bench, type BenchResult } from './bench.js';
import type { Config } from '../config/schema.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { resolveConfig, type Layer } from '../config/resolve.js';
import { stateBytes, tensorBytes } from '../setup/state-table.js';

/** Steps that are run and timed, after the first, which compiles, and one more. */
const timedSteps = 2;

export interface DryRun {
  /** Complete: what the data say about the model is filled in. */
  readonly config: Config;
  /** Parameters, multiply-adds and activations by module, as a table. */
  readonly model: string;
  readonly parameters: number;
  /** Bytes of the state that a run holds: parameters, averages, the optimizer's slots, summed gradients; computed. */
  readonly stateBytes: number;
  /** Bytes of a checkpoint's tensors; computed. */
  readonly checkpointBytes: number;
  /** Two steps that were run on the engine and thrown away. */
  readonly measured: BenchResult;
  /** Seconds of all steps at that speed; samples, evaluations and checkpoints come on top. An extrapolation. */
  readonly seconds: number;
}

/** Resolves the layers, opens the data and runs a few steps. Writes nothing. Throws as `train` does. */
export async function dryRun(layers: readonly Layer[]): Promise<DryRun> {
  const setup = await openTrainingSetup(resolveConfig(layers));
  const { config, model, layout } = setup;
  const measured = await bench(config, { steps: timedSteps, warmup: 1 });
  return {
    config,
    model: summaryText(model),
    parameters: layout.size,
    stateBytes: stateBytes(setup),
    checkpointBytes: tensorBytes(setup),
    measured,
    seconds: (config.totalSteps * measured.stepMs.median) / 1000,
  };
}
