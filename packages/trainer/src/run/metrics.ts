/** metrics.jsonl, the append-only log from which reports and plots are made: one JSON object per logged step. */
import { fileKind } from '@dm/files';
import * as z from 'zod';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkValue } from '../files/check-value.js';
import { readJsonLines } from '../files/json-lines.js';
import { metricsLine, type MetricsRecord } from './metrics-record.js';

/** Fields that depend on clocks and the machine. All other fields are reproducible. */
const measured = [
  'imagesPerSecond',
  'dataWait',
  'ranks',
  'exchangeWait',
  'slowestRank',
  'slowdown',
  'seconds',
  'peakMb',
] as const satisfies (keyof MetricsRecord)[];

/** A line without measured fields, for comparing two executions of the same training. */
export function withoutMeasurements(record: MetricsRecord): Omit<MetricsRecord, (typeof measured)[number]> {
  const rest: Partial<Record<keyof MetricsRecord, unknown>> = { ...record };
  for (const field of measured) delete rest[field];
  return rest as ReturnType<typeof withoutMeasurements>;
}

/** JSON represents NaN as null. */
const mean = z.number().nullable();
const means = z.array(mean).max(1000);

/** The fields that readers rely on. Logs of old runs may lack later fields and have others. */
const recordSchema = z.looseObject({
  step: z.int().min(1),
  images: z.number().min(0),
  loss: mean,
  lossByQuarter: means,
  lossByLevel: means.exactOptional(),
  drawsByLevel: z.array(z.number().min(0)).max(1000).exactOptional(),
  gradNorm: mean,
  eval: z.record(z.string().max(200), mean).exactOptional(),
  validation: z.object({ geometricMean: mean, buckets: means }).exactOptional(),
  skipped: z.number().min(0).exactOptional(),
  gradScale: z.number().positive().exactOptional(),
  lossOverMinimum: mean.exactOptional(),
  lr: mean,
  beta1: mean,
  emaDecay: mean,
  imagesPerSecond: mean,
  dataWait: mean,
  ranks: z.number().min(1).exactOptional(),
  exchangeWait: mean.exactOptional(),
  slowestRank: z.number().min(0).exactOptional(),
  slowdown: mean.exactOptional(),
  seconds: mean,
  peakMb: mean,
});

/**
 * Reads the log; empty if there is none. An incomplete last line is dropped.
 *
 * @throws {FileError} `FILE_INVALID` if a line is not a valid record; the message names file and line
 */
export function readMetrics(path: string): MetricsRecord[] {
  return readJsonLines(path).map(({ line, value }) => {
    checkValue(recordSchema, value, `${path}, line ${line}`);
    return withNaN(value as MetricsRecord);
  });
}

/**
 * Converts null back to NaN in number fields, but not in lists, in which null means that nothing was measured. In place,
 * since a new record would have its fields in another order.
 */
function withNaN(record: MetricsRecord): MetricsRecord {
  for (const fields of [record, record.eval ?? {}, record.validation ?? {}] as Record<string, unknown>[]) {
    for (const [name, value] of Object.entries(fields)) if (value === null) fields[name] = NaN;
  }
  return record;
}

/** Truncates the log to the records up to `step`, so that a resumed run leaves no gap and writes nothing twice. */
export function truncateMetrics(path: string, step: number): MetricsRecord[] {
  const kept = readMetrics(path).filter((r) => r.step <= step);
  if (fileKind(path, { followLinks: false }) !== undefined) atomicWriteFile(path, kept.map(metricsLine).join(''));
  return kept;
}
