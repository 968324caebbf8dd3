import { expect, it } from 'vitest';
import { LossByLevel } from './loss-by-level.js';

it('averages the losses of each range of timesteps', () => {
  const levels = new LossByLevel(4, 100, 0.5);
  levels.add([0, 24, 25, 99], [1, 3, 5, 7]);
  expect([...levels.values]).toEqual([2, 5, Number.NaN, 7]);
  levels.add([99, 50], [1, 2]);
  expect([...levels.values]).toEqual([2, 5, 2, 4]);
  levels.add([0, 99], [Infinity, Number.NaN]);
  expect([...levels.values]).toEqual([2, 5, 2, 4]);
});
