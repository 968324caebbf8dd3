import { expect, it } from 'vitest';
import { formatLogRatio } from './format-log-ratio.js';

const { LN2 } = Math;

it.each([
  ['a known ratio', { value: LN2, low: 0, high: 2 * LN2 }, ['2.00', '1.00', '4.00']],
  ['a lower bound', { value: LN2, low: 0, high: Infinity }, ['at least 2.00', '1.00', 'no upper end']],
  ['an upper bound', { value: LN2, low: -Infinity, high: 2 * LN2 }, ['at most 2.00', 'no lower end', '4.00']],
  ['an unknown ratio', { value: 0, low: -Infinity, high: Infinity }, ['unknown']],
])('formats %s', (_, estimate, [value, ...ends]) => {
  expect(formatLogRatio(estimate)).toBe([value, ...(ends.length > 0 ? [`[${ends.join(', ')}]`] : [])].join(' '));
});

it('uses the given format for each number', () => {
  expect(formatLogRatio({ value: 0, low: -LN2, high: LN2 }, String)).toBe('1 [0.5, 2]');
});
