import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileError } from '@dm/files';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readMetrics, truncateMetrics } from './metrics.js';
import { appendMetrics, metricsRecord as record } from '../testing/metrics.js';

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
  expect(() => readMetrics(path)).toThrowWith({
    type: FileError,
    code: 'FILE_INVALID',
    contains: ['metrics.jsonl, line 2', 'not JSON'],
  });
});

it.each([
  ['null', 'null'],
  ['an array', '[1]'],
  ['a string', '"loss"'],
  ['a fractional step', { step: 1.5 }],
  ['a negative step', { step: -1 }],
  ['an enormous step', { step: 1e300 }],
  ['a loss that is text', { loss: '<img>' }],
  ['a loss that is a list', { loss: [1] }],
  ['losses that are no list', { lossByQuarter: 3 }],
  ['losses that are text', { lossByQuarter: ['a', 'b', 'c', 'd'] }],
  ['more losses than any log has', { lossByLevel: Array.from({ length: 5000 }, () => 1) }],
  ['a metric that is an object', { eval: { FD: {} } }],
  ['metrics that are a list', { eval: [1, 2] }],
  ['a time that is an object', { seconds: {} }],
])('names the line of %s', (_, change) => {
  appendMetrics(path, record(1));
  const line = typeof change === 'string' ? change : JSON.stringify({ ...record(2), ...change });
  appendFileSync(path, `${line}\n`);
  expect(() => readMetrics(path)).toThrow(
    expect.objectContaining({ code: 'FILE_INVALID', message: expect.stringContaining(`${path}, line 2`) }),
  );
});

it('reads null, which JSON has for NaN, as NaN, and writes it as null again in the same order of fields', () => {
  const validation = { geometricMean: NaN, buckets: [0.5, null] };
  const text = `${JSON.stringify({ ...record(1), loss: NaN, eval: { FD: NaN }, validation, later: 'field' })}\n`;
  writeFileSync(path, text);
  expect(readMetrics(path)[0]).toMatchObject({ loss: NaN, eval: { FD: NaN }, validation });
  truncateMetrics(path, 1);
  expect(readFileSync(path, 'utf8')).toBe(text);
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
