import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { appendMetrics, readMetrics, truncateMetrics } from './metrics.js';
import { metricsRecord as record } from '../testing/metrics.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-metrics-'));
  path = join(folder, 'metrics.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('gives back what was appended, without the half line that a kill leaves', () => {
  appendMetrics(path, record(1));
  appendMetrics(path, record(2));
  appendFileSync(path, '{"step": 3, "lo');
  expect(readMetrics(path)).toEqual([record(1), record(2)]);
});

it('names the line that is not JSON', () => {
  appendMetrics(path, record(1));
  appendFileSync(path, 'nonsense\n');
  expect(() => readMetrics(path)).toThrow(/metrics\.jsonl, line 2 is not JSON/);
});

it('is cut back to a step, and the file continues from there', () => {
  for (const step of [2, 4, 6, 8]) appendMetrics(path, record(step));
  appendFileSync(path, '{"st');
  expect(truncateMetrics(path, 5).map((r) => r.step)).toEqual([2, 4]);
  appendMetrics(path, record(6));
  expect(readFileSync(path, 'utf8')).toBe([2, 4, 6].map((s) => `${JSON.stringify(record(s))}\n`).join(''));
});

it('is empty where there is no file', () => {
  expect(readMetrics(path)).toEqual([]);
  expect(truncateMetrics(path, 0)).toEqual([]);
  writeFileSync(path, '');
  expect(readMetrics(path)).toEqual([]);
});
