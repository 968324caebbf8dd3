import { afterEach, expect, it, vi } from 'vitest';
import type { MetricsRecord } from '../run/metrics-record.js';
import { formatDuration } from './duration.js';
import { createProgress, progressLine } from './progress.js';

afterEach(() => void vi.useRealTimers());

const record: MetricsRecord = {
  step: 250,
  images: 250 * 64,
  loss: 0.12345,
  lossByQuarter: [null, null, null, null],
  gradNorm: 1,
  lr: 1e-3,
  beta1: 0.9,
  emaDecay: 0.99,
  imagesPerSecond: 320,
  dataWait: 0,
  peakMb: 400,
  seconds: 50,
};

it('tells loss, throughput and time left', () => {
  // 750 steps of 64 images at 320 images/s: 150 s.
  expect(progressLine(record, 1000)).toBe('step  250/1000   25%  loss 0.1235  320 images/s  ETA 2 min 30 s');
});

it('writes times as people do', () => {
  expect([0.4, 59.6, 61, 3599.9, 7321].map(formatDuration)).toEqual([
    '0 s',
    '1 min 00 s',
    '1 min 01 s',
    '1 h 00 min',
    '2 h 02 min',
  ]);
});

function written(isTTY: boolean): string {
  let text = '';
  const progress = createProgress({ isTTY, columns: 40, write: (t) => (text += t) });
  progress.step(record, 1000);
  progress.note('checkpoint');
  progress.end();
  progress.end();
  return text;
}

it('keeps one live line below the notes on a terminal, within its width', () => {
  const line = progressLine(record, 1000).slice(0, 39);
  expect(written(true)).toBe(`\r\u001B[K${line}\r\u001B[Kcheckpoint\n${line}\n`);
});

it('writes plain lines elsewhere', () => {
  expect(written(false)).toBe(`${progressLine(record, 1000)}\ncheckpoint\n`);
});

/** What is shown of `record` and 200 steps of 0.2 s after it, every `logEvery`-th of them logged. */
function afterRecord(isTTY: boolean, logEvery: number): string[] {
  vi.useFakeTimers();
  const lines: string[] = [];
  const write = (text: string) => void lines.push(text.replace('\r\u001B[K', '').trimEnd());
  const progress = createProgress({ isTTY, columns: 120, write });
  progress.step({ ...record, eval: { FD: 8 } }, 1000);
  for (let step = 251; step <= 450; step++) {
    vi.advanceTimersByTime(200);
    progress.tick(step, 0.5, 1000);
    if (step % logEvery === 0) progress.step({ ...record, step, images: 64 * step }, 1000);
  }
  progress.end();
  return lines;
}

it('keeps the speed on every line of a terminal, with the time left from the step shown', () => {
  const lines = afterRecord(true, 20);
  expect(lines).toHaveLength(201 + 10 + 1);
  for (const line of lines.slice(0, -1)) expect(line).toMatch(/^step +\d+\/1000 .* 320 images\/s  ETA \d/);
  expect(lines[5]).toMatch(/ 255\/1000 .* 0\.5000 .* 8\.000 .* 2 min 29 s$/);
});

it('shows a silent stretch elsewhere, without the metrics of another step', () => {
  const lines = afterRecord(false, 1000);
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/ 350\/1000 .* 0\.5000  320 .* 2 min 10 s$/);
  expect(lines[2]).toMatch(/ 450\/1000 .* 0\.5000  320 .* 1 min 50 s$/);
});
