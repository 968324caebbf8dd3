/** A tiny training that Node and a page run alike. */
import type { Engine } from '@dm/ops';
import {
  batchSource,
  compileStep,
  createTrainingSetup,
  type PartialConfig,
  resolveConfig,
  startingState,
  trainingSteps,
} from '@dm/trainer/core';
import { formulaDataset } from './run.js';

export const models = {
  unet: {
    type: 'unet',
    block_out_channels: [8, 16],
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 4,
    attention_head_dim: 8,
  },
  dit: { type: 'dit', patch_size: 2, hidden_size: 32, depth: 2, num_heads: 2 },
} as const satisfies Readonly<Record<string, PartialConfig['model']>>;

export type ModelName = keyof typeof models;

export interface Trained {
  /** Of each step. */
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  /** SHA-256 of the data. */
  readonly data: string;
}

/** Trains `steps` steps; `onStep` is awaited after each. */
export async function train(
  engine: Engine,
  model: ModelName,
  steps: number,
  onStep: (step: number) => void | Promise<void> = () => {},
): Promise<Trained> {
  const data = formulaDataset();
  const value = { model: models[model], batchSize: 4, totalSteps: steps, optimizer: { lr: 1e-3 } } as PartialConfig;
  const config = resolveConfig([{ source: 'test', value }]);
  const setup = createTrainingSetup(config, batchSource(data));
  const compiled = await compileStep(setup, engine, startingState(setup));
  const [losses, gradNorms]: [number[], number[]] = [[], []];
  for await (const { step, result } of trainingSteps(setup, compiled)) {
    losses.push(result.loss);
    gradNorms.push(result.gradNorm);
    await onStep(step);
  }
  await compiled.dispose();
  return { losses, gradNorms, data: await data.hash() };
}
