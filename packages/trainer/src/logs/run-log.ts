/** What a run writes down as it goes: metrics.jsonl always, TensorBoard's event files where the configuration wants them. */
import { metricsLine, truncateMetrics, type MetricsRecord } from '../run/metrics.js';
import type { Config } from '../config/schema.js';
import type { RunFolder } from '../run/run-folder.js';
import type { Unwritten } from '../files/unwritten.js';
import type { ProbeSetting } from '../eval/difficulty/noise-probe.js';
import { createEventFile } from './event-file.js';
import { LogFile } from '../files/log-file.js';
import { difficultySummary, summaryOf } from './summary.js';
import type { DifficultyRecord } from '@dm/eval';

export interface RunLog {
  /** What earlier sessions logged up to the step that this one goes on from. */
  readonly before: readonly MetricsRecord[];
  /** What is written to. */
  readonly files: readonly string[];
  add(record: MetricsRecord): void;
  /** Loss and gradient norm by range of noise, for TensorBoard; difficulty.jsonl is its recorder's. */
  readonly addDifficulty: (record: DifficultyRecord, setting: ProbeSetting) => void;
  /** A sample grid, as a PNG. */
  addSample(step: number, png: Uint8Array): void;
  /** Tries once more what the disk has refused. */
  finish(): void;
}

/**
 * Opens the log of a session that goes on from step `firstStep`: what was logged after it is forgotten. What the disk
 * refuses from then on is in `unwritten`.
 */
export function createRunLog(run: RunFolder, config: Config, firstStep: number, unwritten: Unwritten): RunLog {
  const before = truncateMetrics(run.metrics, firstStep);
  const metrics = new LogFile(run.metrics, 'metrics.jsonl', unwritten);
  const events = config.tensorboard ? createEventFile(run.path, firstStep, unwritten) : undefined;
  return {
    before,
    files: [run.metrics, ...(events === undefined ? [] : [events.path])],
    add(record) {
      metrics.append(`step ${record.step}`, metricsLine(record));
      events?.add(record.step, summaryOf(record, config.diffusion.timesteps));
    },
    addDifficulty: (record, { buckets }) => events?.add(record.step, difficultySummary(record, buckets)),
    addSample: (step, png) => events?.add(step, [{ tag: 'samples/grid', png }]),
    finish() {
      metrics.finish();
      events?.finish();
    },
  };
}
