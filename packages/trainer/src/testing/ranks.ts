/** Several ranks within this process, for tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { localWorlds, type World } from '@dm/mpi';
import type { PartialConfig } from '../config/schema.js';
import { readMetrics, withoutMeasurements } from '../run/metrics.js';
import { train, type TrainOptions, type TrainResult } from '../train.js';
import { tinyConfig, tinyDit } from './tiny.js';

/** Four steps of a tiny DiT in `folder/name`. */
export function rankConfig(folder: string, name: string, part: PartialConfig): PartialConfig {
  return {
    ...tinyConfig(folder, 4),
    model: { type: 'dit', ...tinyDit },
    batchSize: 8,
    logEvery: 1,
    checkpoints: { every: 2, keepLast: 9 },
    ...part,
    out: join(folder, name),
  };
}

/** Trains with `size` ranks. `options` may differ by rank. */
export function trainOn(
  size: number,
  config: PartialConfig,
  options: (world: World) => TrainOptions = () => ({}),
): Promise<PromiseSettledResult<TrainResult>[]> {
  return Promise.allSettled(localWorlds(size).map((world) => train(config, { ...options(world), world })));
}

/** Like `trainOn`, with the results of all ranks. */
export async function trainedOn(
  size: number,
  config: PartialConfig,
  options?: (world: World) => TrainOptions,
): Promise<TrainResult[]> {
  const results = await trainOn(size, config, options);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** The files of a checkpoint, by name. The manifest has times, so it is left out. */
export function checkpointFiles(checkpoint: string): Record<string, Buffer> {
  const names = readdirSync(checkpoint).filter((name) => name !== 'manifest.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(checkpoint, name))]));
}

/** The log of a run, without what depends on clocks. */
export function reproducibleLog(out: string): ReturnType<typeof withoutMeasurements>[] {
  return readMetrics(join(out, 'metrics.jsonl')).map(withoutMeasurements);
}
