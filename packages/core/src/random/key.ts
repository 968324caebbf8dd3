import { checkInteger } from '@dm/ops';
import { type StreamName, streams } from './streams.js';

/** The address of one endless sequence of random numbers. */
export interface RandomKey {
  /** A non-negative safe integer: the user's `--seed`. */
  readonly seed: number;
  readonly stream: StreamName;
  /** Optimizer step, epoch or sampling step, as the stream says: an integer in [0, 2^32). 0 by default. */
  readonly step?: number;
  /** Image, example or parameter: an integer in [0, 2^32). 0 by default. */
  readonly index?: number;
  /** Tells apart sequences within a stream, such as layers: an integer in [0, 65536). 0 by default. */
  readonly lane?: number;
}

/** `RandomKey` for several images at once: element i of a batch comes from `indices[i]`, whatever else is in it. */
export interface BatchKey extends Omit<RandomKey, 'index'> {
  readonly indices: ArrayLike<number>;
}

/** The words of key and counter that a `RandomKey` fixes; counter word 0 is the block, word 1 the index. */
export interface KeyWords {
  readonly k0: number;
  readonly k1: number;
  readonly step: number;
  readonly stream: number;
}

/**
 * @throws {RangeError} on a field outside its range and on an unknown stream
 */
export function keyWords({ seed, stream, step = 0, lane = 0 }: Omit<RandomKey, 'index'>): KeyWords {
  checkInteger('random: seed', seed, 0, Number.MAX_SAFE_INTEGER);
  if (!Object.hasOwn(streams, stream)) {
    throw new RangeError(`random: no stream "${stream}"; there are ${Object.keys(streams).join(', ')}`);
  }
  checkU32('step', step);
  checkInteger('random: lane', lane, 0, 0xffff);
  // Lanes sit in the upper half of the stream's word: a stream number never reaches 2^16.
  return { k0: seed >>> 0, k1: Math.floor(seed / 2 ** 32), step, stream: streams[stream] + lane * 2 ** 16 };
}

export function checkU32(name: string, value: number): void {
  checkInteger(`random: ${name}`, value, 0, 0xffffffff);
}
