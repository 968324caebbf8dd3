/** The denoiser of a run that may come from a stranger. */
import { availableMemory } from '../machine/available-memory.js';
import type { Config } from '../config/schema.js';
import { createDenoiser, type Denoiser } from './denoiser.js';
import { checkMemory, estimateSampling } from './memory.js';

/**
 * The denoiser of a configuration, to make `images` images with. Its weights are read after this: until then its size is
 * only what the configuration says.
 *
 * @throws {UserError} `OUT_OF_MEMORY` if that is larger than this machine's memory; `CONFIG_INVALID` if parts do not fit
 */
export function openDenoiser(config: Config, images = 1): Denoiser {
  const denoiser = createDenoiser(config);
  checkMemory(estimateSampling(denoiser.model, images), availableMemory(), 'Check the configuration of the run.');
  return denoiser;
}
