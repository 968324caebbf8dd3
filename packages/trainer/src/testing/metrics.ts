import { appendFileSync } from 'node:fs';
import { metricsLine, type MetricsRecord } from '../run/metrics-record.js';

/** Adds a line to the log at `path`. */
export function appendMetrics(path: string, record: MetricsRecord): void {
  appendFileSync(path, metricsLine(record));
}

/** A line of metrics.jsonl at `step` with batches of 4; `changes` overrides fields. */
export function metricsRecord(step: number, changes: Partial<MetricsRecord> = {}): MetricsRecord {
  return {
    step,
    images: step * 4,
    loss: 1 / step,
    lossByQuarter: [0.5, null, 0.25, 0.1],
    lossByLevel: Array.from({ length: 20 }, (_, i) => (i === 3 ? null : (20 - i) / 10)),
    drawsByLevel: Array.from({ length: 20 }, (_, i) => (i === 3 ? 0 : 1 + (i % 3))),
    gradNorm: 2,
    lr: 1e-3,
    beta1: 0.9,
    emaDecay: 0.99,
    imagesPerSecond: 10,
    dataWait: 0.01,
    peakMb: 400,
    seconds: step,
    ...changes,
  };
}
