import { expect, it } from 'vitest';
import { formatNumber, smoothed, viridis } from './browser.js';
import { groups, downsample } from './downsample.js';
import { metricsRecord } from '../testing/metrics.js';

it('smooths without a bias at the start, over gaps', () => {
  // By hand: weights 0.5 and 0.5 * 0.5 = 0.25, so (0.5 * 4 + 0.25 * 1) / 0.75 = 3 after 1, gap, 4.
  expect(smoothed([1, null, 4], 0.5)).toEqual([1, null, 3]);
  expect(smoothed([3, 1, 2], 0)).toEqual([3, 1, 2]);
});

it('has the colors of viridis', () => {
  // matplotlib.colormaps['viridis'](0.5) is #21918c, its ends #440154 and #fde725.
  expect([0, 0.5, 1, 2].map(viridis)).toEqual([
    'rgb(68, 1, 84)',
    'rgb(33, 145, 140)',
    'rgb(253, 231, 37)',
    'rgb(253, 231, 37)',
  ]);
});

it('writes numbers short', () => {
  expect([0, 0.00043, 1234.5, 1234, 123_456, 2e6, 0.00001234, null].map(formatNumber)).toEqual([
    '0',
    '0.00043',
    '1230',
    '1234',
    '123k',
    '2M',
    '1.2e-5',
    '',
  ]);
});

it('thins a log to means of groups, and keeps the evaluations', () => {
  expect(groups([1, 2, 3, 4, 5], 3)).toEqual([[1, 2], [3, 4], [5]]);
  const records = [1, 2, 3, 4].map((step) =>
    metricsRecord(step, { loss: step, lossByQuarter: [step, null, step === 1 ? null : 7, 0] }),
  );
  const evaluated = { ...records[2]!, eval: { KD: 9 } };
  expect(downsample([records[0]!, records[1]!, evaluated, records[3]!], 2)).toMatchObject([
    { step: 2, loss: 1.5, lossByQuarter: [1.5, null, 7, 0] },
    { step: 4, loss: 3.5, eval: { KD: 9 } },
  ]);
});
