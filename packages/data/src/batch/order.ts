import { checkInteger } from '@dm/ops';
import { permutation } from '@dm/core';

export interface EpochOptions {
  readonly seed: number;
  /** From 0. */
  readonly epoch: number;
  /** Number of images in the set. */
  readonly length: number;
}

export interface BatchOptions {
  readonly seed: number;
  /** Optimizer step (or micro-step of accumulation), from 0. */
  readonly step: number;
  readonly batchSize: number;
  /** Number of images in the set. */
  readonly length: number;
}

/** A batch seldom touches more than two epochs; a set that is smaller than the batch touches more, in order. */
const CACHED_ORDERS = 4;
const orders = new Map<string, Uint32Array>();

/**
 * The order of the images in an epoch: a permutation of [0, length), a function of (seed, epoch) alone.
 * @throws {RangeError} unless length >= 1
 */
export function epochOrder({ seed, epoch, length }: EpochOptions): Uint32Array {
  checkInteger('number of images', length, 1);
  return permutation({ seed, stream: 'order', step: epoch }, length);
}

/**
 * The images of a batch. Example number n = step * batchSize + i of a run is image n mod length of epoch floor(n /
 * length): every image comes once an epoch, batches run on across its end, and the stream of images is the same at
 * every batch size. No state: step k is the same after every resume.
 * @throws {RangeError} on a step, batch size or length that cannot be
 */
export function batchIndices({ seed, step, batchSize, length }: BatchOptions): Uint32Array {
  const first = firstExample(step, batchSize);
  return Uint32Array.from({ length: batchSize }, (_, i) => {
    const example = first + i;
    return cachedOrder(seed, Math.floor(example / length), length)[example % length]!;
  });
}

/** Number of the batch's first example in the run: step * batchSize. */
export function firstExample(step: number, batchSize: number): number {
  checkInteger('step', step, 0);
  checkInteger('batchSize', batchSize, 1);
  return step * batchSize;
}

function cachedOrder(seed: number, epoch: number, length: number): Uint32Array {
  const key = `${seed}/${epoch}/${length}`;
  let order = orders.get(key);
  if (!order) {
    order = epochOrder({ seed, epoch, length });
    // A Map keeps the order of insertion: its first key is the oldest.
    if (orders.size === CACHED_ORDERS) orders.delete(orders.keys().next().value!);
    orders.set(key, order);
  }
  return order;
}
