import { expect, it } from 'vitest';
import type { MetricsRecord } from '../run/metrics-record.js';
import { formatDuration } from './duration.js';
import { createProgress, progressLine } from './progress.js';

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
