/** The folder of a run that nobody trained: its configuration, log and sample grids. */
import { join } from 'node:path';
import { imageGrid } from '@dm/data';
import type { PartialConfig } from '../config.js';
import { writeSynced } from '../durable.js';
import { appendMetrics, type MetricsRecord } from '../metrics.js';
import { resolveConfig } from '../resolve.js';
import { createRunFolder, runFolder, samplePath, saveConfig, type RunFolder } from '../run-folder.js';
import { metricsRecord } from './metrics.js';

export interface MadeRun {
  readonly config?: PartialConfig;
  /** Logged steps. */
  readonly steps: readonly number[];
  /** Steps of sample grids, whose grey is the step. */
  readonly samples?: readonly number[];
  readonly change?: (step: number) => Partial<MetricsRecord>;
}

/** Writes it to `folder/name`. */
export async function makeRun(folder: string, name: string, made: MadeRun): Promise<RunFolder> {
  const run = runFolder(join(folder, name));
  createRunFolder(run);
  const value = { totalSteps: 100, ...made.config };
  saveConfig(run, { ...resolveConfig([{ source: 'test', value }]), recorded: { environment: { node: '20.0.0' } } });
  for (const step of made.steps) appendMetrics(run.metrics, metricsRecord(step, made.change?.(step)));
  for (const step of made.samples ?? []) {
    const grey = new Float32Array(64).fill(step / 50 - 1);
    writeSynced(samplePath(run, step), await imageGrid(grey, { shape: [8, 8, 1] }));
  }
  return run;
}
