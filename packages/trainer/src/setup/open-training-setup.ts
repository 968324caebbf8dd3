/** Training setups for data sets on disk. */
import { DataError, openDataset, type Dataset, type Split } from '@dm/data';
import { createAnyModel } from '../config/all-models.js';
import { unknownData } from '../config/saved-config.js';
import type { Config } from '../config/schema.js';
import { availableMemory } from '../machine/available-memory.js';
import { UserError } from '../errors.js';
import { scaledData, withLatents } from './latents.js';
import { checkSampleMemory, checkTrainingMemory, estimateMemory } from './memory.js';
import { batchSource } from './batch-source.js';
import { alone, type Group } from './group.js';
import { inPhase, type OnPhase } from './phases.js';
import { createTrainingSetup, type TrainingSetup } from './training-setup.js';

/** A setup, and the data set that its batches are read from. */
export interface OpenedTrainingSetup extends TrainingSetup {
  readonly dataset: Dataset;
}

/**
 * Opens the data set of a configuration. The split `test` is the images that it holds out; if it holds out none, the test
 * images of a data set that has them, and all images of any other. Floats are scaled if the configuration has their scale.
 */
export async function openData(config: Config, split: Split = 'train'): Promise<Dataset> {
  return scaledData(config, await openUnscaledData(config, split));
}

/**
 * `openData` without the scaling of floats.
 *
 * @throws {UserError} `DATA_MISMATCH` for the configuration of an imported run
 */
export async function openUnscaledData(
  { data, imageSize, imageChannels, imageResize, crop, skipBad, holdOut, latents }: Config,
  split: Split = 'train',
): Promise<Dataset> {
  if (data === unknownData) {
    throw new UserError(
      'The run was imported, so the data that it was trained on are not known. Give them, or others: --data <data>.',
      { code: 'DATA_MISMATCH' },
    );
  }
  return openDataset(data, {
    split: holdOut === null ? split : 'train',
    ...(holdOut !== null && { holdOut: { share: holdOut, part: split === 'train' ? 'rest' : 'heldOut' } as const }),
    ...(imageSize !== null && { size: imageSize }),
    channels: imageChannels,
    resize: imageResize,
    skipBad,
    ...(crop !== null && { crop }),
    ...(latents?.layout !== undefined && { floatLayout: latents.layout }),
  });
}

export interface OpenTrainingSetupOptions {
  /** Continue even if training needs more memory than this machine has. */
  readonly skipMemoryCheck?: boolean | undefined;
  /** Whether a run is resumed; some checks apply to new runs only. */
  readonly isResumed?: boolean;
  /** The processes that train together. Default: this one alone. */
  readonly group?: Group;
  readonly onPhase?: OnPhase | undefined;
}

/**
 * Opens the data and creates the training setup. The parameters are not allocated yet.
 *
 * @throws {UserError} if model, data and options contradict each other, or training needs more memory than this machine has
 */
export async function openTrainingSetup(
  chosen: Config,
  { skipMemoryCheck = false, isResumed = false, group = alone, onPhase }: OpenTrainingSetupOptions = {},
): Promise<OpenedTrainingSetup> {
  const opening = inPhase(onPhase, `opening data ${chosen.data}`, () => openUnscaledData(chosen));
  const unscaled = await opening.catch((error: unknown) => {
    throw isResumed ? ofMovedData(error) : error;
  });
  const isOfFloats = unscaled.floats !== undefined;
  checkNormalization(chosen);
  checkLatents(chosen, unscaled);
  const config = isOfFloats ? await inPhase(onPhase, 'measuring latents', () => withLatents(chosen, unscaled)) : chosen;
  const dataset = scaledData(config, unscaled);
  const setup = createTrainingSetup(
    config,
    batchSource(dataset, config.latents?.flip),
    isResumed,
    group,
    createAnyModel,
  );
  checkTrainingMemory(estimateMemory(setup), availableMemory(), skipMemoryCheck);
  if (!skipMemoryCheck) checkSampleMemory(setup, availableMemory());
  checkEvaluation(setup.config, dataset);
  return { ...setup, dataset };
}

/**
 * @throws {UserError} `DATA_MISMATCH` if the data cannot be compared with samples
 */
function checkEvaluation({ evaluation }: Config, { name, length, floats }: Dataset): void {
  if (evaluation.every > 0 && floats !== undefined) {
    throw new UserError(
      `evaluation.every (--eval-every) is ${evaluation.every}, but ${name} has latents, and the metrics compare images. ` +
        'Omit it, and use the validation loss (validation.every, with holdOut), or decode samples and images and compare ' +
        'them with dm eval.',
      { code: 'DATA_MISMATCH' },
    );
  }
  if (evaluation.every === 0 || length >= 2) return;
  throw new UserError(
    `evaluation.every (--eval-every) is ${evaluation.every}, but ${name} has ${length} image, and the metrics compare at ` +
      'least 2. Use more images, or omit it.',
    { code: 'DATA_MISMATCH' },
  );
}

/**
 * Schedule-free training stores z relative to y, which forced weight normalization changes after each step.
 *
 * @throws {UserError} `CONFIG_INVALID` for schedule-free training of a network with forced weight normalization
 */
function checkNormalization({ model, optimizer }: Config): void {
  if (model.type !== 'edm2-unet' || optimizer.type !== 'scheduleFreeAdamW') return;
  throw new UserError(
    'The weights of edm2-unet are normalized after each step, which the optimizer scheduleFreeAdamW does not allow: choose ' +
      'another one (--optimizer adamW).',
    { code: 'CONFIG_INVALID' },
  );
}

/**
 * @throws {UserError} `DATA_MISMATCH` if there is a scale of latents for data of images
 */
function checkLatents({ latents }: Config, { name, floats }: Dataset): void {
  if (latents === null || floats !== undefined) return;
  throw new UserError(
    `latents is set, but ${name} has images, whose bytes are always scaled to [-1, 1]. Set latents=null, or use an array of ` +
      'float32 or float16.',
    { code: 'DATA_MISMATCH' },
  );
}

/** The error of opening the data of a resumed run, with what to do if they are at another place now. */
function ofMovedData(error: unknown): unknown {
  if (!(error instanceof DataError && error.code === 'DATA_NOT_FOUND')) return error;
  const text = `${error.message} If the run's data were moved, name the new place: --data.`;
  return new DataError(text, { code: error.code, cause: error });
}
