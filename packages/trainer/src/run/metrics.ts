/** metrics.jsonl: one JSON object a logged step, appended; the record that reports and plots are made from. */
import { fileKind } from '@dm/files';
import { z } from 'zod';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkValue } from '../files/check-value.js';
import { readJsonLines } from '../files/json-lines.js';

/** One line. Means are over the steps since the line before. */
export interface MetricsRecord {
  /** Optimizer steps done, from 1. */
  readonly step: number;
  /** Images seen. */
  readonly images: number;
  /** Mean of the weighted losses, as the optimizer sees them. */
  readonly loss: number;
  /** Mean loss of the timesteps in each quarter of [0, T), unweighted, from clean to noisy; null where none was drawn. */
  readonly lossByQuarter: readonly (number | null)[];
  /** The same for twenty equal parts of [0, T), and how many examples were drawn in each; logs of old runs lack them. */
  readonly lossByLevel?: readonly (number | null)[];
  readonly drawsByLevel?: readonly number[];
  /** Mean 2-norm of the gradient, before clipping. */
  readonly gradNorm: number;
  /** Metrics of samples by name, such as `FD-pixels`, of the weights after this step; where they were evaluated. */
  readonly eval?: Readonly<Record<string, number>>;
  /** Updates skipped since the beginning of the run, because loss or gradient was no number; where there are any. */
  readonly skipped?: number;
  /**
   * While the training has diverged: the smoothed loss after this step over its minimum so far (see `LossTrend`). Absent
   * otherwise.
   */
  readonly lossOverMinimum?: number;
  /** Learning rate and momentum (beta1) of the last step. */
  readonly lr: number;
  readonly beta1: number;
  readonly emaDecay: number;
  /** Throughput, without the time for samples and checkpoints. */
  readonly imagesPerSecond: number;
  /** Part of the time that the step stood waiting for data, in [0, 1]. */
  readonly dataWait: number;
  /** Seconds of training so far, over all sessions of the run. */
  readonly seconds: number;
  /** Largest resident size of the process so far, in MiB. */
  readonly peakMb: number;
}

/** Fields that clocks and the machine decide. All others of a line are the same whenever the same training is done. */
const measured = ['imagesPerSecond', 'dataWait', 'seconds', 'peakMb'] as const satisfies (keyof MetricsRecord)[];

/** A line without what was measured: to compare two runs of one training. */
export function withoutMeasurements(record: MetricsRecord): Omit<MetricsRecord, (typeof measured)[number]> {
  const rest: Partial<Record<keyof MetricsRecord, unknown>> = { ...record };
  for (const field of measured) delete rest[field];
  return rest as ReturnType<typeof withoutMeasurements>;
}

export function metricsLine(record: MetricsRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** JSON has null for NaN. */
const mean = z.number().nullable();
const means = z.array(mean).max(1000);

/** What readers rely on. Logs of old runs lack later fields, and may have others. */
const recordSchema = z.looseObject({
  step: z.int().min(1),
  images: z.number().min(0),
  loss: mean,
  lossByQuarter: means,
  lossByLevel: means.exactOptional(),
  drawsByLevel: z.array(z.number().min(0)).max(1000).exactOptional(),
  gradNorm: mean,
  eval: z.record(z.string().max(200), mean).exactOptional(),
  skipped: z.number().min(0).exactOptional(),
  lossOverMinimum: mean.exactOptional(),
  lr: mean,
  beta1: mean,
  emaDecay: mean,
  imagesPerSecond: mean,
  dataWait: mean,
  seconds: mean,
  peakMb: mean,
});

/**
 * Reads the log; empty if there is none. A cut last line is dropped.
 *
 * @throws {FileError} `FILE_INVALID` naming file and line, if a line is not such a record
 */
export function readMetrics(path: string): MetricsRecord[] {
  return readJsonLines(path).map(({ line, value }) => {
    checkValue(recordSchema, value, `${path}, line ${line}`);
    return withNaN(value as MetricsRecord);
  });
}

/** null as NaN again in the fields that are numbers. The record itself: a new one would have its fields in another order. */
function withNaN(record: MetricsRecord): MetricsRecord {
  for (const fields of [record, record.eval ?? {}] as Record<string, unknown>[]) {
    for (const [name, value] of Object.entries(fields)) if (value === null) fields[name] = NaN;
  }
  return record;
}

/** Cuts the log back to what was known at `step`, so that a resumed run leaves no gap and writes nothing twice. */
export function truncateMetrics(path: string, step: number): MetricsRecord[] {
  const kept = readMetrics(path).filter((r) => r.step <= step);
  if (fileKind(path, { followLinks: false }) !== undefined) atomicWriteFile(path, kept.map(metricsLine).join(''));
  return kept;
}
