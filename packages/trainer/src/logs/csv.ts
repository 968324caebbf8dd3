/** The log as a table, for spreadsheets. */
import { stringify } from 'csv-stringify/sync';
import type { MetricsRecord } from '../run/metrics.js';

/**
 * A row a line of metrics.jsonl, a column a number: `lossByQuarter.1` to `.4`, `eval.<name>`. What a line does not have
 * is empty. A text that begins like a formula (`=`, `+`, `-`, `@`, tab, line break) gets an apostrophe before it.
 */
export function metricsCsv(records: readonly MetricsRecord[]): string {
  const rows = records.map((record) => new Map(Object.entries(record).flatMap(([name, v]) => cells(name, v))));
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  // Arrays: of objects csv-stringify takes a name such as `a.b` for a path, and refuses an empty one.
  const lines = [columns, ...rows.map((row) => columns.map((name) => row.get(name)))];
  return stringify(lines, { cast: { string: neutralized } });
}

/** A text that a spreadsheet would take for a formula, with the apostrophe that makes it text; numbers stay. */
function neutralized(text: string): string {
  const isNumber = text.trim() === text && text !== '' && Number.isFinite(Number(text));
  return /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/.test(text) && !isNumber ? `'${text}` : text;
}

function cells(name: string, value: unknown): [string, unknown][] {
  if (Array.isArray(value)) return value.map((v, i) => [`${name}.${i + 1}`, v]);
  if (typeof value === 'object' && value !== null) return Object.entries(value).map(([k, v]) => [`${name}.${k}`, v]);
  return [[name, value]];
}
