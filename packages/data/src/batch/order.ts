import { checkInteger } from '@dm/ops';
import { permutation } from '@dm/core';

export interface EpochOptions {
  readonly seed: number;
  /** Epoch, from 0. */
  readonly epoch: number;
  /** Number of images in the set. */
  readonly length: number;
}

export interface BatchOptions {
  readonly seed: number;
  /** Optimizer step (or micro-step of gradient accumulation), from 0. */
  readonly step: number;
  readonly batchSize: number;
  /** Number of images in the set. */
  readonly length: number;
}

/** A batch rarely spans more than two epochs; if the dataset is smaller than the batch it spans more, in order. */
const CACHED_ORDERS = 4;
const orders = new Map<string, Uint32Array>();

/**
 * The order of the images in an epoch: a permutation of [0, length) that depends on (seed, epoch) only.
 * @throws {RangeError} if length < 1
 */
export function epochOrder({ seed, epoch, length }: EpochOptions): Uint32Array {
  checkInteger('number of images', length, 1);
  return permutation({ seed, stream: 'order', step: epoch }, length);
}

/**
 * Indices of the images of a batch. Example n = step * batchSize + i of a run is image n mod length of epoch
 * floor(n / length): every image occurs once per epoch, batches may span epochs, and the sequence of images does not
 * depend on the batch size. Stateless: step k is the same after a resume.
 * @throws {RangeError} if step < 0, batchSize < 1 or length < 1
 */
export function batchIndices({ seed, step, batchSize, length }: BatchOptions): Uint32Array {
  const first = firstExample(step, batchSize);
  return Uint32Array.from({ length: batchSize }, (_, i) => {
    const example = first + i;
    return cachedOrder(seed, Math.floor(example / length), length)[example % length]!;
  });
}

/** Index of the batch's first example in the run: step * batchSize. */
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
    // A Map iterates in insertion order: its first key is the oldest.
    if (orders.size === CACHED_ORDERS) orders.delete(orders.keys().next().value!);
    orders.set(key, order);
  }
  return order;
}
