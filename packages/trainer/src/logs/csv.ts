/** The log as CSV, for spreadsheets. */
import { stringify } from 'csv-stringify/sync';
import type { MetricsRecord } from '../run/metrics-record.js';

/**
 * CSV with one row per line of metrics.jsonl and one column per value: `lossByQuarter.1` to `.4`, `eval.<name>`. Missing
 * values are empty. Text that starts like a formula (`=`, `+`, `-`, `@`, tab, line break) is prefixed by an apostrophe.
 */
export function metricsCsv(records: readonly MetricsRecord[]): string {
  const rows = records.map((record) => new Map(Object.entries(record).flatMap(([name, v]) => cells(name, v))));
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  // Arrays instead of objects, for which csv-stringify interprets names such as `a.b` as paths and rejects empty names.
  const lines = [columns, ...rows.map((row) => columns.map((name) => row.get(name)))];
  return stringify(lines, { cast: { string: neutralized } });
}

/** Prefixes text that a spreadsheet would interpret as a formula by an apostrophe; numbers are unchanged. */
function neutralized(text: string): string {
  const isNumber = text.trim() === text && text !== '' && Number.isFinite(Number(text));
  return /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/.test(text) && !isNumber ? `'${text}` : text;
}

function cells(name: string, value: unknown): [string, unknown][] {
  if (Array.isArray(value)) return value.map((v, i) => [`${name}.${i + 1}`, v]);
  if (typeof value === 'object' && value !== null) return Object.entries(value).map(([k, v]) => [`${name}.${k}`, v]);
  return [[name, value]];
}
