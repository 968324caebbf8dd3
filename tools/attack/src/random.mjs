// Reproducible random choices as a function of (seed, stream, index), so that a single input can be reproduced.
import { philox4x32 } from '@dm/core';

/**
 * @typedef {object} Random
 * @property {() => number} u32 uniform in [0, 2^32)
 * @property {(n: number) => number} below an integer in [0, n); 0 if n < 1
 * @property {() => number} uniform in [0, 1)
 * @property {(probability: number) => boolean} chance
 * @property {<T>(choices: readonly T[]) => T} pick
 */

/**
 * The generator sfc32, seeded by Philox.
 *
 * @param {number} seed
 * @param {number} stream
 * @param {number} index
 * @returns {Random}
 */
export function createRandom(seed, stream, index) {
  const state = new Uint32Array(4);
  philox4x32(index, stream, 0, 0, seed, 0, state, 0);
  const u32 = () => {
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const sum = (a + b + d) >>> 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    state[3] = d + 1;
    return sum;
  };
  for (let i = 0; i < 4; i++) u32();
  const uniform = () => u32() / 2 ** 32;
  const below = (/** @type {number} */ n) => (n < 1 ? 0 : Math.floor(uniform() * n));
  return {
    u32,
    below,
    uniform,
    chance: (probability) => uniform() < probability,
    pick: (choices) => {
      if (choices.length === 0) throw new RangeError('nothing to pick from');
      return /** @type {any} */ (choices[below(choices.length)]);
    },
  };
}
