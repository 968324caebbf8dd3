import { describe, expect, it } from 'vitest';
import { measureOscillation, randomDirections } from './oscillation.js';

/** A path in two parameters whose first one has the given values. */
const pathOf = (values: readonly number[]) => values.map((value, s) => Float32Array.of(value, s));
const first = Float64Array.of(3, 0);

describe('measureOscillation', () => {
  it('is -(n - 1) / n at lag 1 for a sign change at each of n steps', () => {
    const path = pathOf(Array.from({ length: 11 }, (_, s) => s % 2));
    expect(measureOscillation(path, first, 4)).toEqual({ first: -0.9, lowest: -0.9, lag: 1, lengthRatio: null });
  });

  it('finds half the period of a sine', () => {
    const period = 40;
    const path = pathOf(Array.from({ length: 1001 }, (_, s) => Math.sin((2 * Math.PI * s) / period)));
    const { first: next, lowest, lag } = measureOscillation(path, first, 60);
    expect(lag).toBe(period / 2);
    // cos(2 pi k / T) times the fraction of displacements that have a partner, (1000 - k) / 1000, up to end effects.
    expect(next).toBeCloseTo(Math.cos((2 * Math.PI) / period) * 0.999, 2);
    expect(lowest).toBeCloseTo(-0.98, 2);
  });

  it('is positive at all lags for a straight path, whatever the direction’s length', () => {
    const path = pathOf(Array.from({ length: 21 }, (_, s) => 0.5 * s));
    const measured = measureOscillation(path, first, 4);
    expect(measured).toEqual({ first: 0.95, lowest: 0.8, lag: 4, lengthRatio: 1 });
    expect(measureOscillation(path, Float64Array.of(-0.1, 0), 4)).toEqual(measured);
  });

  it('refuses a path that is too short', () => {
    expect(() => measureOscillation(pathOf([0, 1, 2]), first, 2)).toThrow(RangeError);
  });
});

it('random directions differ by index and by seed', () => {
  const [a, b] = randomDirections(100, 2, 0);
  const [c] = randomDirections(100, 1, 1);
  const cosine = (x: Float32Array, y: Float32Array) => {
    const dot = (p: Float32Array, q: Float32Array) => p.reduce((sum, value, i) => sum + value * q[i]!, 0);
    return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
  };
  expect(Math.abs(cosine(a!, b!))).toBeLessThan(0.4);
  expect(Math.abs(cosine(a!, c!))).toBeLessThan(0.4);
});
