/** The denoiser of a run that may be untrusted. */
import { availableMemory } from '../machine/available-memory.js';
import { createAnyModel } from '../config/all-models.js';
import { explainPart } from '../config/resolve.js';
import type { Config } from '../config/schema.js';
import { createDenoiser, type Denoiser } from './denoiser.js';
import { checkMemory, estimateSampling } from './memory.js';

/**
 * Creates the denoiser of a configuration for sampling `images` images, after checking the memory that they need. The
 * weights are read only afterwards, so an untrusted configuration cannot cause a huge allocation.
 *
 * @throws {UserError} `OUT_OF_MEMORY` if that is larger than this machine's memory; `CONFIG_INVALID` if parts do not fit
 */
export function openDenoiser(config: Config, images = 1): Denoiser {
  const denoiser = explainPart('model', config, () => createDenoiser(config, createAnyModel));
  checkMemory(estimateSampling(denoiser.model, images), availableMemory(), 'Check the configuration of the run.');
  return denoiser;
}
