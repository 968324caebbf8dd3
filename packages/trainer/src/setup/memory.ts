/** A lower bound of the memory that a training or a model needs, by arithmetic, before anything is allocated. */
import { bufferLayout, parameterLayout, summary, type Model } from '@dm/models';
import { UserError } from '../errors.js';
import { stateBytes } from './state-table.js';
import type { TrainingSetup } from './training-setup.js';

export interface MemoryEstimate {
  readonly parameters: number;
  /** Bytes that are held at least. */
  readonly bytes: number;
}

/**
 * The least that a training with this setup holds: its state, a batch, and half of the activations of a micro-batch. A gradient needs most of what the layers compute; only half of that is
 * counted, since a compiler may free or recompute the rest, and none of it with activation checkpointing.
 */
export function estimateMemory(setup: TrainingSetup): MemoryEstimate {
  const { config, model, layout, batches } = setup;
  const { batchSize, gradientAccumulation, activationCheckpointing } = config;
  const pixels = batches.shape.reduce((product, side) => product * side, 1);
  const microBatch = Math.ceil(batchSize / gradientAccumulation);
  const activations = activationCheckpointing ? 0 : (summary(model).activations * microBatch) / 2;
  // Gradients live for a part of the step even if they are not accumulated.
  const gradients = gradientAccumulation > 1 ? 0 : layout.size;
  return { parameters: layout.size, bytes: stateBytes(setup) + 4 * (gradients + activations + batchSize * pixels) };
}

/** The least that making `images` images with this model holds: its weights, the images, and the largest output of a layer. */
export function estimateSampling(model: Model, images: number): MemoryEstimate {
  const parameters = parameterLayout(model).size;
  const pixels = model.inputShape.reduce((product, side) => product * side, 1);
  const widest = model.layers.reduce((most, { outputs }) => Math.max(most, outputs), 0);
  return { parameters, bytes: 4 * (parameters + bufferLayout(model).size + images * pixels + widest) };
}

/** Set to 1, it lets begin what is larger than the memory. */
const skipMemoryCheck = 'DM_SKIP_MEMORY_CHECK';

/**
 * @param available bytes of memory of this machine or container
 * @param remedy what could be chosen instead
 * @throws {UserError} `OUT_OF_MEMORY` if the estimate exceeds `available` and the environment does not set
 *   `DM_SKIP_MEMORY_CHECK=1`
 */
export function checkMemory(
  { parameters, bytes }: MemoryEstimate,
  available: number,
  remedy = 'Choose a smaller model or batchSize, or raise gradientAccumulation.',
): void {
  if (bytes <= available || process.env[skipMemoryCheck] === '1') return;
  const gib = (amount: number) => `${(amount / 2 ** 30).toFixed(1)} GiB`;
  throw new UserError(
    `A model with ${parameters.toLocaleString('en')} parameters needs at least ${gib(bytes)} of memory for this, ` +
      `and this machine has ${gib(available)}. ${remedy} To try it all the same, set ${skipMemoryCheck}=1.`,
    { code: 'OUT_OF_MEMORY' },
  );
}
