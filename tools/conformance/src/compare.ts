import type { Arrays } from '@dm/ops';

/** Euclidean norm, summed in float64. */
export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
}

/** How far one array is from its reference: the norm of the difference, and what the bar below compares it with. */
export interface Distance {
  readonly name: string;
  readonly difference: number;
  readonly bound: number;
}

/**
 * Compares named arrays one by one: |a - b| <= tolerance |b| + 1e-6 |b of all arrays|. The second term is for those that
 * are zero in exact arithmetic, such as the gradient of an attention's key bias.
 *
 * Returns the arrays that are further away than that, the worst first. Throws where names or shapes differ.
 */
export function tooFar(actual: Arrays, expected: Arrays, tolerance: number): Distance[] {
  const names = Object.keys(expected);
  if (Object.keys(actual).toSorted().join() !== names.toSorted().join()) {
    throw new Error(`arrays ${Object.keys(actual).join(', ')} instead of ${names.join(', ')}`);
  }
  const whole = norm(names.map((name) => norm(expected[name]!.data)));
  const distances = names.map((name) => {
    const [a, b] = [actual[name]!, expected[name]!];
    const [shape, wanted] = [a.shape.join(), b.shape.join()];
    if (shape !== wanted) throw new Error(`${name} has shape [${shape}] instead of [${wanted}]`);
    const difference = norm(Float64Array.from(b.data, (value, i) => a.data[i]! - value));
    return { name, difference, bound: tolerance * norm(b.data) + 1e-6 * whole };
  });
  // Written so that NaN counts as too far.
  return distances
    .filter(({ difference, bound }) => !(difference <= bound))
    .toSorted((a, b) => b.difference / b.bound - a.difference / a.bound);
}
