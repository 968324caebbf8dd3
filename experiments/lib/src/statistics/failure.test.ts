import { expect, it } from 'vitest';
import { firstFailure } from './failure.js';
import { passesGate } from './gate.js';
import { parabolaMinimum } from './parabola.js';

it.each([
  ['a falling loss', [0.09, 0.08, 0.07], undefined, -1],
  ['a loss that rises by less than 5%', [0.08, 0.083], undefined, -1],
  ['more than 5% above the lowest so far', [0.09, 0.08, 0.083, 0.085], undefined, 3],
  ['not a number', [0.09, NaN], undefined, 1],
  ['infinite', [Infinity, 0.09], undefined, 0],
  ['null, which is NaN in JSON', [0.0638, null], undefined, 1],
  ['null before a lower loss', [0.0638, null, 0.0604], undefined, 1],
  ['1.2 times the Wiener filter from the beginning', [0.13, 0.12], 0.1, 0],
  ['a little above the Wiener filter', [0.119, 0.11], 0.1, -1],
])('the first failure: %s', (_, losses, wiener, at) => {
  expect(firstFailure(losses, wiener)).toBe(at);
});

it('the gate: at most 1.2 times the Wiener filter, twice near pure noise, .95 times on clean images', () => {
  // Ranges from -5, -3.8, -2.6, -1.4, -0.2, 1, ...
  const highest = [2, 2, 1.2, 1.2, 1.2, 0.95, 0.95, 0.95, 0.95, 0.95];
  expect(passesGate(highest)).toBe(true);
  for (const i of highest.keys()) {
    expect(passesGate(highest.with(i, highest[i]! + 0.01))).toBe(false);
    expect(passesGate([...highest.slice(0, i), null, ...highest.slice(i + 1)])).toBe(true);
  }
});

it('the minimum of a parabola', () => {
  const at = (x: number) => 3 + 2 * (x - 0.3) ** 2;
  expect(parabolaMinimum(at(-1), at(0), at(1))).toBeCloseTo(0.3, 12);
  expect(parabolaMinimum(1, 0, Infinity)).toBe(0);
  expect(parabolaMinimum(1, 1, 1)).toBe(0);
});
