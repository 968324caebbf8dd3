/** The log of a run: metrics.jsonl and, if configured, TensorBoard event files. */
import { truncateMetrics } from '../run/metrics.js';
import { metricsLine, type MetricsRecord } from '../run/metrics-record.js';
import type { Config } from '../config/schema.js';
import type { RunFolder } from '../run/run-folder.js';
import type { Unwritten } from '../files/unwritten.js';
import type { ProbeSetting } from '../eval/difficulty/noise-probe.js';
import { createEventFile } from './event-file.js';
import { LogFile } from '../files/log-file.js';
import { difficultySummary, summaryOf } from './summary.js';
import type { DifficultyRecord } from '@dm/eval';

export interface RunLog {
  /** Records of earlier sessions, up to the step from which this session continues. */
  readonly before: readonly MetricsRecord[];
  /** Paths of the files written to. */
  readonly files: readonly string[];
  add(record: MetricsRecord): void;
  /** Adds loss and gradient norm per noise range to TensorBoard; difficulty.jsonl is written by its recorder. */
  readonly addDifficulty: (record: DifficultyRecord, setting: ProbeSetting) => void;
  /** Adds a sample grid, as a PNG. */
  addSample(step: number, png: Uint8Array): void;
  /** Retries failed writes once. */
  finish(): void;
}

/** The log of ranks other than 0, which write nothing. */
export const silentRunLog: RunLog = {
  before: [],
  files: [],
  add() {},
  addDifficulty: () => {},
  addSample() {},
  finish() {},
};

/**
 * Opens the log of a session that continues from step `firstStep`; later records are discarded. Subsequent write failures
 * are collected in `unwritten`.
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
