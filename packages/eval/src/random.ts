import { normal, uniform } from '@dm/core';

/** Lanes of the stream `probe`, one per use, so that no two uses share random numbers; other packages use lane 0. */
const LANES = {
  pairing: 1,
  bootstrap: 2,
  subset: 3,
  images: 4,
  direction: 5,
  product: 6,
  lanczos: 7,
  slice: 8,
} as const;

/** `count` uniform numbers in [0, 1); each `index` gives an independent draw. */
export function draws(use: keyof typeof LANES, seed: number, index: number, count: number): Float64Array {
  return uniform({ seed, stream: 'probe', lane: LANES[use], index }, count);
}

/** `count` standard normals; each `index` gives an independent draw. */
export function normals(use: keyof typeof LANES, seed: number, index: number, count: number): Float32Array {
  return normal({ seed, stream: 'probe', lane: LANES[use], index }, count);
}

/**
 * A derangement for random pairings: a uniformly random cyclic permutation (Sattolo 1986).
 * @throws {RangeError} if count < 2
 */
export function derangement(seed: number, count: number): Uint32Array {
  if (count < 2) throw new RangeError(`derangement: needs at least 2 samples, got ${count}.`);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const u = draws('pairing', seed, 0, count);
  for (let i = count - 1; i > 0; i--) swap(order, i, Math.floor(u[i]! * i));
  return order;
}

/** `count` distinct integers of [0, from), in random order; each `index` gives an independent draw. */
export function randomSubset(seed: number, index: number, from: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: from }, (_, i) => i);
  const u = draws('subset', seed, index, count);
  for (let i = 0; i < count; i++) swap(order, i, i + Math.floor(u[i]! * (from - i)));
  return order.slice(0, count);
}

/** A random permutation of [0, count), which selects the images of a set. */
export function randomPermutation(seed: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const u = draws('images', seed, 0, count);
  for (let i = count - 1; i > 0; i--) swap(order, i, Math.floor(u[i]! * (i + 1)));
  return order;
}

function swap(order: Uint32Array, i: number, j: number): void {
  [order[i], order[j]] = [order[j]!, order[i]!];
}
