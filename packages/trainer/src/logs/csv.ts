/** The log as a table, for spreadsheets. */
import { stringify } from 'csv-stringify/sync';
import type { MetricsRecord } from '../run/metrics.js';

/**
 * A row a line of metrics.jsonl, a column a number: `lossByQuarter.1` to `.4`, `eval.<name>`. What a line does not have
 * is empty.
 */
export function metricsCsv(records: readonly MetricsRecord[]): string {
  const rows = records.map((record) =>
    Object.fromEntries(Object.entries(record).flatMap(([name, v]) => cells(name, v))),
  );
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return stringify(rows, { header: true, columns });
}

function cells(name: string, value: unknown): [string, unknown][] {
  if (Array.isArray(value)) return value.map((v, i) => [`${name}.${i + 1}`, v]);
  if (typeof value === 'object' && value !== null) return Object.entries(value).map(([k, v]) => [`${name}.${k}`, v]);
  return [[name, value]];
}
