/**
 * Random numbers as pure functions of (seed, stream, step, index): element j of a sequence does not depend on the
 * batch, the number of elements, the engine, or a resume. Philox4x32-10 with key = seed and counter = [block, index,
 * step, stream].
 *
 * Normals use `Math.log`, `Math.cos` and `Math.sin`, whose last bit ECMAScript does not specify; V8 (Node, Chromium)
 * computes them identically on all platforms.
 */
import { checkInRange, checkInteger, float32, type Float32NdArray } from '@dm/ops';
import { type BatchKey, type KeyWords, type RandomKey, checkU32, keyWords } from './key.js';
import { philox4x32 } from './philox.js';

const block = new Uint32Array(4);

/** n integers, uniform in [0, 2^32). */
export function uniformU32(key: RandomKey, n: number): Uint32Array {
  const { words, index } = resolve(key, n);
  const blocks = new Uint32Array(Math.ceil(n / 4) * 4);
  for (let at = 0; at < blocks.length; at += 4) {
    philox4x32(at >>> 2, index, words.step, words.stream, words.k0, words.k1, blocks, at);
  }
  return blocks.subarray(0, n);
}

/** n float64 numbers, uniform in [0, 1) with 53 random bits. */
export function uniform(key: RandomKey, n: number): Float64Array {
  const { words, index } = resolve(key, n);
  const out = new Float64Array(n);
  fillUniform(out, words, index);
  return out;
}

/** n standard normals, by the Box-Muller transform of 32-bit uniforms: within ±6.77. */
export function normal(key: RandomKey, n: number): Float32Array {
  const { words, index } = resolve(key, n);
  const out = new Float32Array(n);
  fillNormal(out, words, index);
  return out;
}

/**
 * One uniform number in [0, 1) for each index: the first of `uniform({ ...key, index }, 1)`.
 * @throws {RangeError} if an index is not an integer in [0, 2^32)
 */
export function uniformEach({ indices, ...key }: BatchKey): Float64Array {
  const words = keyWords(key);
  const out = new Float64Array(indices.length);
  for (let i = 0; i < out.length; i++) {
    checkU32('index', indices[i]!);
    fillUniform(out.subarray(i, i + 1), words, indices[i]!);
  }
  return out;
}

/** Uniform numbers in [0, 1), rounded down to float32: [N, ...shape] with N = indices.length. */
export function uniformBatch({ indices, ...key }: BatchKey, shape: readonly number[]): Float32NdArray {
  return fillBatch(indices, shape, keyWords(key), (part, words, index) => {
    for (let i = 0; i < part.length; i++) {
      if ((i & 3) === 0) philox4x32(i >>> 2, index, words.step, words.stream, words.k0, words.k1, block, 0);
      part[i] = (block[i & 3]! >>> 8) * 2 ** -24; // 24 bits, so that rounding to float32 never gives 1
    }
  });
}

/** Standard normals [N, ...shape] with N = indices.length; image i is `normal({ ...key, index: indices[i] })`. */
export function normalBatch({ indices, ...key }: BatchKey, shape: readonly number[]): Float32NdArray {
  return fillBatch(indices, shape, keyWords(key), fillNormal);
}

/**
 * Dropout masks [N, ...shape], already scaled: 0 with probability `rate`, else 1 / (1 - rate). The layer is `key.lane`.
 * @throws {RangeError} if rate is outside [0, 1)
 */
export function dropoutMask(key: BatchKey, shape: readonly number[], rate: number): Float32NdArray {
  checkInRange('dropoutMask: rate', rate, '[0, 1)');
  const mask = uniformBatch(key, shape);
  const kept = 1 / (1 - rate);
  for (let i = 0; i < mask.data.length; i++) mask.data[i] = mask.data[i]! < rate ? 0 : kept;
  return mask;
}

/** A uniformly random permutation of 0 to n - 1 (Fisher-Yates shuffle). */
export function permutation(key: RandomKey, n: number): Uint32Array {
  const u = uniform(key, n);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(u[i]! * (i + 1));
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}

function resolve({ index = 0, ...key }: RandomKey, n: number): { words: KeyWords; index: number } {
  checkInteger('random: count', n, 0, 2 ** 32);
  checkU32('index', index);
  return { words: keyWords(key), index };
}

type Fill<A> = (out: A, words: KeyWords, index: number) => void;

function fillBatch(
  indices: ArrayLike<number>,
  shape: readonly number[],
  words: KeyWords,
  fill: Fill<Float32Array>,
): Float32NdArray {
  const size = shape.reduce((product, d) => product * d, 1);
  const data = new Float32Array(indices.length * size);
  for (let i = 0; i < indices.length; i++) {
    checkU32('index', indices[i]!);
    fill(data.subarray(i * size, (i + 1) * size), words, indices[i]!);
  }
  return float32(data, [indices.length, ...shape]);
}

const fillUniform: Fill<Float64Array> = (out, { k0, k1, step, stream }, index) => {
  for (let i = 0; i < out.length; i++) {
    const at = (i & 1) * 2;
    if (at === 0) philox4x32(i >>> 1, index, step, stream, k0, k1, block, 0);
    out[i] = ((block[at]! >>> 5) * 2 ** 26 + (block[at + 1]! >>> 6)) * 2 ** -53;
  }
};

const fillNormal: Fill<Float32Array> = (out, { k0, k1, step, stream }, index) => {
  for (let i = 0; i < out.length; i += 4) {
    philox4x32(i >>> 2, index, step, stream, k0, k1, block, 0);
    boxMuller(out, i, block[0]!, block[1]!);
    boxMuller(out, i + 2, block[2]!, block[3]!);
  }
};

/** Writes two normals to out[at] and out[at + 1]; typed arrays ignore a write past their end. */
function boxMuller(out: Float32Array, at: number, a: number, b: number): void {
  // (a + 1/2) / 2^32 is never 0, so the logarithm is finite.
  const radius = Math.sqrt(-2 * Math.log((a + 0.5) * 2 ** -32));
  const angle = 2 * Math.PI * (b * 2 ** -32);
  out[at] = radius * Math.cos(angle);
  out[at + 1] = radius * Math.sin(angle);
}
