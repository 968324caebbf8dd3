/** Denoisers and training setups with the models of all types, which pages do not contain. */
import { createAnyModel } from '../config/all-models.js';
import type { Config } from '../config/schema.js';
import { createDenoiser as ofModel, type Denoiser } from './denoiser.js';
import type { Group } from './group.js';
import { createTrainingSetup as setupOf, type BatchSource, type TrainingSetup } from './training-setup.js';

/**
 * Creates the denoiser of a configuration.
 *
 * @throws {UserError} if its parts contradict each other
 */
export function createDenoiser(config: Config): Denoiser {
  return ofModel(config, createAnyModel);
}

/**
 * Creates the training setup for images of `batches`. Missing fields that depend on the data are filled in. `isResumed`
 * disables the checks that apply only to new runs. `group` are the processes that train together; default: this one alone.
 *
 * @throws {UserError} if model, data and options contradict each other
 */
export function createTrainingSetup(
  config: Config,
  batches: BatchSource,
  isResumed = false,
  group?: Group,
): TrainingSetup {
  return setupOf(config, batches, isResumed, group, createAnyModel);
}
