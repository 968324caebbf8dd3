import { checkInteger } from '@dm/ops';
import { type StreamName, streams } from './streams.js';

/** Identifies one infinite sequence of random numbers. */
export interface RandomKey {
  /** A non-negative safe integer: the user's `--seed`. */
  readonly seed: number;
  readonly stream: StreamName;
  /** Optimizer step, epoch or sampling step, depending on the stream: an integer in [0, 2^32). Default 0. */
  readonly step?: number;
  /** Image, example or parameter: an integer in [0, 2^32). Default 0. */
  readonly index?: number;
  /** Distinguishes sequences within a stream, such as layers: an integer in [0, 65536). Default 0. */
  readonly lane?: number;
}

/** A `RandomKey` for a batch: row i depends on `indices[i]` only, not on the rest of the batch. */
export interface BatchKey extends Omit<RandomKey, 'index'> {
  readonly indices: ArrayLike<number>;
}

/** Philox key words and counter words 2 and 3 of a `RandomKey`; counter word 0 is the block, word 1 the index. */
export interface KeyWords {
  readonly k0: number;
  readonly k1: number;
  readonly step: number;
  readonly stream: number;
}

/** @throws {RangeError} if a field is out of range, or the stream is unknown */
export function keyWords({ seed, stream, step = 0, lane = 0 }: Omit<RandomKey, 'index'>): KeyWords {
  checkInteger('random: seed', seed, 0, Number.MAX_SAFE_INTEGER);
  if (!Object.hasOwn(streams, stream)) {
    throw new RangeError(`random: unknown stream "${stream}"; known: ${Object.keys(streams).join(', ')}`);
  }
  checkU32('step', step);
  checkInteger('random: lane', lane, 0, 0xffff);
  // The lane is the upper half of the stream's word: stream numbers stay below 2^16.
  return { k0: seed >>> 0, k1: Math.floor(seed / 2 ** 32), step, stream: streams[stream] + lane * 2 ** 16 };
}

export function checkU32(name: string, value: number): void {
  checkInteger(`random: ${name}`, value, 0, 0xffffffff);
}
