import { expect } from 'vitest';
import type { Arrays } from '../engine.js';

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));

/**
 * The project's bar for results that belong together, such as the gradients of one loss: for each array
 * |difference| <= tolerance |expected| + 1e-6 |all expected|, in float64. The second term is for arrays that are zero in
 * exact arithmetic.
 */
export function expectClose(
  actual: Arrays,
  expected: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>,
  tolerance: number,
): void {
  expect(Object.keys(actual).toSorted()).toEqual(Object.keys(expected).toSorted());
  const all = Math.hypot(...Object.values(expected).map(({ data }) => norm(data)));
  for (const [name, { shape, data }] of Object.entries(expected)) {
    expect([name, ...actual[name]!.shape]).toEqual([name, ...shape]);
    const difference = norm(Array.from(actual[name]!.data, (value, i) => value - data[i]!));
    expect(difference, `|difference| of ${name}`).toBeLessThanOrEqual(tolerance * norm(data) + 1e-6 * all);
  }
}
