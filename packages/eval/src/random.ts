import { normal, uniform } from '@dm/core';

/** Lanes of the stream `probe`, so that no two uses share a number; lane 0 is left to others. */
const LANES = { pairing: 1, bootstrap: 2, subset: 3, images: 4, direction: 5, product: 6, lanczos: 7 } as const;

/** `count` uniform numbers in [0, 1); `index` numbers independent draws of one seed. */
export function draws(use: keyof typeof LANES, seed: number, index: number, count: number): Float64Array {
  return uniform({ seed, stream: 'probe', lane: LANES[use], index }, count);
}

/** As `draws`, standard normal. */
export function normals(use: keyof typeof LANES, seed: number, index: number, count: number): Float32Array {
  return normal({ seed, stream: 'probe', lane: LANES[use], index }, count);
}

/**
 * A permutation that leaves nothing in place, for random pairings: one cycle through all, uniform among the cycles
 * (Sattolo 1986).
 * @throws {RangeError} for fewer than two elements
 */
export function derangement(seed: number, count: number): Uint32Array {
  if (count < 2) throw new RangeError(`No pairing of ${count} samples leaves none with itself; at least 2 are needed.`);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const u = draws('pairing', seed, 0, count);
  for (let i = count - 1; i > 0; i--) swap(order, i, Math.floor(u[i]! * i));
  return order;
}

/** `count` different integers of [0, from), in random order; `index` numbers independent draws of one seed. */
export function randomSubset(seed: number, index: number, from: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: from }, (_, i) => i);
  const u = draws('subset', seed, index, count);
  for (let i = 0; i < count; i++) swap(order, i, i + Math.floor(u[i]! * (from - i)));
  return order.slice(0, count);
}

/** [0, count) in random order: by it the images of a set are chosen. */
export function randomPermutation(seed: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const u = draws('images', seed, 0, count);
  for (let i = count - 1; i > 0; i--) swap(order, i, Math.floor(u[i]! * (i + 1)));
  return order;
}

function swap(order: Uint32Array, i: number, j: number): void {
  [order[i], order[j]] = [order[j]!, order[i]!];
}
