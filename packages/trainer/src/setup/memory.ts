/** Lower bounds of the memory that training or sampling needs, computed before anything is allocated. */
import { bufferLayout, parameterLayout, summary, type Model } from '@dm/models';
import { UserError } from '../errors.js';
import { keepsGradients, stateBytes } from './state-table.js';
import type { TrainingSetup } from './training-setup.js';

export interface MemoryEstimate {
  readonly parameters: number;
  /** Lower bound, in bytes. */
  readonly bytes: number;
}

/**
 * Lower bound for training with this setup: the state, a batch, and half of the activations of a micro-batch. The backward
 * pass needs most activations, but a compiler may free or recompute some of them, so only half are counted, and none with
 * activation checkpointing.
 */
export function estimateMemory(setup: TrainingSetup): MemoryEstimate {
  const { config, model, layout, batches, group } = setup;
  const { batchSize, gradientAccumulation, activationCheckpointing } = config;
  const pixels = batches.shape.reduce((product, side) => product * side, 1);
  const microBatch = Math.ceil(batchSize / (gradientAccumulation * group.size));
  const activations = activationCheckpointing ? 0 : (summary(model).activations * microBatch) / 2;
  // Gradients exist during the step even without accumulation.
  const gradients = keepsGradients(setup) ? 0 : layout.size;
  return {
    parameters: layout.size,
    bytes: stateBytes(setup) + 4 * (gradients + activations + (batchSize / group.size) * pixels),
  };
}

/** Lower bound for sampling `images` images with this model: weights, images, and the largest layer output. */
export function estimateSampling(model: Model, images: number): MemoryEstimate {
  const parameters = parameterLayout(model).size;
  const pixels = model.inputShape.reduce((product, side) => product * side, 1);
  const widest = model.layers.reduce((most, { outputs }) => Math.max(most, outputs), 0);
  return { parameters, bytes: 4 * (parameters + bufferLayout(model).size + images * pixels + widest) };
}

/** Environment variable that disables the check when set to 1. */
const skipMemoryCheck = 'DM_SKIP_MEMORY_CHECK';

/** What the user can change if a training does not fit. */
const trainingRemedy = 'Choose a smaller model or batchSize, or raise gradientAccumulation.';

/**
 * Checks the estimate for training against the available memory.
 *
 * @param available memory of this machine or container, in bytes
 * @param skip disables the check, as `DM_SKIP_MEMORY_CHECK=1` in the environment does
 * @throws {UserError} `OUT_OF_MEMORY` if the estimate exceeds `available`
 */
export function checkTrainingMemory(estimate: MemoryEstimate, available: number, skip = false): void {
  if (!skip) checkMemory(estimate, available, trainingRemedy, `--skip-memory-check or ${skipMemoryCheck}=1`);
}

/**
 * Checks the images that samples and evaluations generate at once, float32, besides the rest of the training.
 *
 * @throws {UserError} `OUT_OF_MEMORY` if they exceed `available` bytes; the message names the field
 */
export function checkSampleMemory(
  { config: { samples, evaluation }, batches }: Pick<TrainingSetup, 'config' | 'batches'>,
  available: number,
): void {
  const imageBytes = 4 * batches.shape.reduce((product, side) => product * side, 1);
  const counts = { samples, ...(evaluation.every > 0 && { 'evaluation.samples': evaluation.samples }) };
  for (const [field, count] of Object.entries(counts)) {
    const bytes = count * imageBytes;
    if (bytes <= available || process.env[skipMemoryCheck] === '1') continue;
    throw new UserError(
      `${field} is ${count}: the generated images alone take ${formatGibibytes(bytes)} of memory, and this machine has ` +
        `${formatGibibytes(available)}. Generate fewer. To try anyway: --skip-memory-check or ${skipMemoryCheck}=1.`,
      { code: 'OUT_OF_MEMORY' },
    );
  }
}

/**
 * Checks an estimate against the available memory.
 *
 * @param available memory of this machine or container, in bytes
 * @param remedy what the user can change
 * @param override options that disable the check
 * @throws {UserError} `OUT_OF_MEMORY` if the estimate exceeds `available` and the environment does not set
 *   `DM_SKIP_MEMORY_CHECK=1`
 */
export function checkMemory(
  { parameters, bytes }: MemoryEstimate,
  available: number,
  remedy: string,
  override = `${skipMemoryCheck}=1`,
): void {
  if (bytes <= available || process.env[skipMemoryCheck] === '1') return;
  throw new UserError(
    `A model with ${parameters.toLocaleString('en')} parameters needs at least ${formatGibibytes(bytes)} of memory for this, ` +
      `but this machine has ${formatGibibytes(available)}. ${remedy} To try anyway, set ${override}.`,
    { code: 'OUT_OF_MEMORY' },
  );
}

/** `1.5 GiB`; at least 0.1 GiB. */
export function formatGibibytes(bytes: number): string {
  return `${Math.max(0.1, bytes / 2 ** 30).toFixed(1)} GiB`;
}
