import { checkOptions } from '@dm/ops';
import { ddim, type DdimOptions } from './ddim.js';
import { ddpm, type DdpmOptions } from './ddpm.js';
import { dpmSolver2M, dpmSolver2MSde, type DpmSolverOptions } from './dpm-solver.js';
import { eulerAncestral } from './euler-ancestral.js';
import { euler } from './euler.js';
import { heun, type HeunOptions } from './heun.js';
import type { Sampler } from './sampler.js';
import { uniPc, type UniPcOptions } from './unipc.js';

/** A sampler as plain data, for a configuration file. */
export type SamplerConfig =
  | ({ readonly name: 'ddpm' } & DdpmOptions)
  | ({ readonly name: 'ddim' } & DdimOptions)
  | { readonly name: 'euler' }
  | { readonly name: 'euler-ancestral' }
  | ({ readonly name: 'heun' } & HeunOptions)
  | ({ readonly name: 'dpmpp-2m' } & DpmSolverOptions)
  | ({ readonly name: 'dpmpp-2m-sde' } & DpmSolverOptions)
  | ({ readonly name: 'unipc' } & UniPcOptions);

export type SamplerName = SamplerConfig['name'];

/** All samplers by name, with the names of their options. */
export const samplers: Readonly<
  Record<SamplerName, { readonly options: readonly string[]; readonly create: (options: object) => Sampler }>
> = {
  ddpm: { options: ['variance'], create: ddpm },
  ddim: { options: ['eta', 'useClippedOutput'], create: ddim },
  euler: { options: [], create: euler },
  'euler-ancestral': { options: [], create: eulerAncestral },
  heun: { options: ['variable', 'churn'], create: heun },
  'dpmpp-2m': { options: ['lowerOrderFinal'], create: dpmSolver2M },
  'dpmpp-2m-sde': { options: ['lowerOrderFinal'], create: dpmSolver2MSde },
  unipc: { options: ['order'], create: uniPc },
};

/**
 * Creates a sampler from its configuration.
 * @throws {RangeError} if the name or an option is unknown (the message lists the known ones), or a value is out of
 * range
 */
export function samplerFromConfig(config: SamplerConfig): Sampler {
  const { name, ...options } = config;
  if (!Object.hasOwn(samplers, name)) {
    throw new RangeError(`unknown sampler "${name}"; known: ${Object.keys(samplers).join(', ')}`);
  }
  checkOptions(`sampler "${name}"`, options, samplers[name].options);
  return samplers[name].create(options);
}
