/** Downsampling of long logs for plots. */
import type { MetricsRecord } from '../run/metrics-record.js';

/** Splits `items` into at most `max` groups of consecutive items; all but the last have equal size. */
export function groups<T>(items: readonly T[], max: number): T[][] {
  const size = Math.max(1, Math.ceil(items.length / max));
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/**
 * Means over groups of records, each at the step of its last record, with the last evaluation and validation loss of
 * the group; `records` itself if it has at most `max`.
 */
export function downsample(records: readonly MetricsRecord[], max: number): MetricsRecord[] {
  if (records.length <= max) return [...records];
  return groups(records, max).map((group) => {
    const last = group.at(-1)!;
    const evaluation = group.findLast((r) => r.eval !== undefined)?.eval;
    const validation = group.findLast((r) => r.validation !== undefined)?.validation;
    return {
      ...last,
      loss: mean(group.map((r) => r.loss))!,
      lossByQuarter: last.lossByQuarter.map((_, q) => mean(group.map((r) => r.lossByQuarter[q] ?? null))),
      gradNorm: mean(group.map((r) => r.gradNorm))!,
      imagesPerSecond: mean(group.map((r) => r.imagesPerSecond))!,
      dataWait: mean(group.map((r) => r.dataWait))!,
      ...(evaluation !== undefined && { eval: evaluation }),
      ...(validation !== undefined && { validation }),
    };
  });
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((v) => v !== null);
  return known.length === 0 ? null : known.reduce((sum, v) => sum + v, 0) / known.length;
}
