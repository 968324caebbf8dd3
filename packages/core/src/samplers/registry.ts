import { requireFields } from '../checks.js';
import { ddim, type DdimOptions } from './ddim.js';
import { ddpm, type DdpmOptions } from './ddpm.js';
import type { Sampler } from './sampler.js';

/** A sampler as plain data, for a configuration file. */
export type SamplerConfig = ({ readonly name: 'ddpm' } & DdpmOptions) | ({ readonly name: 'ddim' } & DdimOptions);

export type SamplerName = SamplerConfig['name'];

/** Every sampler by name, with the options that it knows. */
export const samplers: Readonly<
  Record<SamplerName, { readonly options: readonly string[]; readonly create: (options: object) => Sampler }>
> = {
  ddpm: { options: ['variance'], create: ddpm },
  ddim: { options: ['eta', 'useClippedOutput'], create: ddim },
};

/** Throws a RangeError on an unknown name or option, naming the known ones, and on an option out of its range. */
export function createSamplerMethod(config: SamplerConfig): Sampler {
  const { name, ...options } = config;
  if (!Object.hasOwn(samplers, name)) {
    throw new RangeError(`no sampler "${name}"; there are ${Object.keys(samplers).join(', ')}`);
  }
  requireFields(`sampler "${name}"`, options, samplers[name].options);
  return samplers[name].create(options);
}
