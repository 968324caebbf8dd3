/** A synthetic run folder: configuration, log and sample grids. */
import { join } from 'node:path';
import { imageGrid } from '@dm/data';
import type { PartialConfig } from '../config/schema.js';
import { atomicWriteFile } from '../files/atomic-write.js';
import { writeDifficulty } from '../eval/difficulty/file.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import { resolveConfig } from '../config/resolve.js';
import { saveConfig } from '../config/saved-config.js';
import { createRunFolder, runFolder, samplePath, type RunFolder } from '../run/run-folder.js';
import { appendMetrics, metricsRecord } from './metrics.js';

export interface MadeRun {
  readonly config?: PartialConfig;
  /** Logged steps. */
  readonly steps: readonly number[];
  /** Steps of sample grids; their gray level is the step. */
  readonly samples?: readonly number[];
  /** Steps at which three noise ranges were probed: the loss of range b is 1 + (b + 1) / step, or 9 at step 0. */
  readonly probed?: readonly number[];
  readonly change?: (step: number) => Partial<MetricsRecord>;
}

/** Writes the run to `folder/name`. */
export async function makeRun(folder: string, name: string, made: MadeRun): Promise<RunFolder> {
  const run = runFolder(join(folder, name));
  createRunFolder(run);
  const value = { totalSteps: 100, ...made.config };
  saveConfig(run, { ...resolveConfig([{ source: 'test', value }]), recorded: { environment: { node: '20.0.0' } } });
  for (const step of made.steps) appendMetrics(run.metrics, metricsRecord(step, made.change?.(step)));
  if (made.probed !== undefined) {
    const buckets = [0, 1, 2].map((b) => ({ from: 300 * b, to: 300 * (b + 1), logSnr: 1 - b, noiseRate: b / 3 }));
    const setting = { buckets, coordinate: 'timestep', data: 'bars', images: 4, seed: 0, prediction: 'v' } as const;
    const records = made.probed.map((step) => ({
      step,
      loss: buckets.map((_, b) => (step === 0 ? 9 : 1 + (b + 1) / step)),
      gradNorm: buckets.map((_, b) => (step === 0 && b === 2 ? NaN : b + 1)),
    }));
    writeDifficulty(run.difficulty, { setting, weights: 'raw', records });
  }
  for (const step of made.samples ?? []) {
    const gray = new Float32Array(64).fill(step / 50 - 1);
    atomicWriteFile(samplePath(run, step), await imageGrid(gray, { shape: [8, 8, 1] }));
  }
  return run;
}
