import { checkOptions } from '@dm/ops';
import { ddim, type DdimOptions } from './ddim.js';
import { ddpm, type DdpmOptions } from './ddpm.js';
import {
  dpmSolver2M,
  dpmSolver2MSde,
  dpmSolver3M,
  dpmSolver3MSde,
  type DpmSolverOptions,
  type SdeOptions,
} from './dpm-solver.js';
import { type AncestralOptions, eulerAncestral } from './euler-ancestral.js';
import { euler, type EulerOptions } from './euler.js';
import { heun, type HeunOptions } from './heun.js';
import { lms, type LmsOptions } from './lms.js';
import { dpm2, dpm2Ancestral, type Dpm2Options, dpmSolver2SAncestral } from './midpoint.js';
import type { Sampler } from './sampler.js';
import { uniPc, type UniPcOptions } from './unipc.js';

/** A sampler as plain data, for a configuration file. */
export type SamplerConfig =
  | ({ readonly name: 'ddpm' } & DdpmOptions)
  | ({ readonly name: 'ddim' } & DdimOptions)
  | ({ readonly name: 'euler' } & EulerOptions)
  | ({ readonly name: 'euler-ancestral' } & AncestralOptions)
  | ({ readonly name: 'heun' } & HeunOptions)
  | ({ readonly name: 'lms' } & LmsOptions)
  | ({ readonly name: 'dpm-2' } & Dpm2Options)
  | ({ readonly name: 'dpm-2-ancestral' | 'dpmpp-2s-ancestral' } & AncestralOptions)
  | ({ readonly name: 'dpmpp-2m' | 'dpmpp-3m' } & DpmSolverOptions)
  | ({ readonly name: 'dpmpp-2m-sde' } & DpmSolverOptions & SdeOptions)
  | ({ readonly name: 'dpmpp-3m-sde' } & SdeOptions)
  | ({ readonly name: 'unipc' } & UniPcOptions);

export type SamplerName = SamplerConfig['name'];

const ancestral = ['eta', 'noiseStd'];
const dpmSolver = ['lowerOrderFinal', 'eulerAtFinal', 'solverType'];
// Written out: bundlers keep the whole table, used or not, if it is made by a spread.
const dpmSolverSde = ['lowerOrderFinal', 'eulerAtFinal', 'solverType', 'eta', 'noiseStd'];

/** All samplers by name, with the names of their options. */
export const samplers: Readonly<
  Record<SamplerName, { readonly options: readonly string[]; readonly create: (options: object) => Sampler }>
> = {
  ddpm: { options: ['variance'], create: ddpm },
  ddim: { options: ['eta', 'useClippedOutput'], create: ddim },
  euler: { options: ['churn'], create: euler },
  'euler-ancestral': { options: ancestral, create: eulerAncestral },
  heun: { options: ['variable', 'churn'], create: heun },
  lms: { options: ['order'], create: lms },
  'dpm-2': { options: ['churn'], create: dpm2 },
  'dpm-2-ancestral': { options: ancestral, create: dpm2Ancestral },
  'dpmpp-2s-ancestral': { options: ancestral, create: dpmSolver2SAncestral },
  'dpmpp-2m': { options: dpmSolver, create: dpmSolver2M },
  'dpmpp-3m': { options: dpmSolver, create: dpmSolver3M },
  'dpmpp-2m-sde': { options: dpmSolverSde, create: dpmSolver2MSde },
  'dpmpp-3m-sde': { options: ancestral, create: dpmSolver3MSde },
  unipc: { options: ['order', 'solverType', 'disableCorrector'], create: uniPc },
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
