/** Named objectives: what is predicted, of which noise levels, with which loss, and how it is sampled. */
import type { PartialConfig } from './schema.js';

/** The values that objectives on a discrete noise schedule reset. */
const discrete = { loss: null, variance: null } as const;

/** Rectified flow with logit-normal times: Esser et al. 2024, arXiv:2403.03206. */
export const rectifiedFlow = {
  diffusion: { schedule: { type: 'flow' }, prediction: { type: 'flow' }, loss: null, variance: null },
  curriculum: { type: 'logitNormal' },
  lossWeighting: { type: 'constant' },
  sampler: { type: 'euler', path: { type: 'flow' }, clipping: null },
} as const satisfies PartialConfig;

/** EDM in continuous time: Table 1 of Karras et al. 2022, arXiv:2206.00364. */
const edm = {
  diffusion: {
    schedule: { type: 'edm' },
    prediction: { type: 'edm', sigmaData: 0.5 },
    loss: null,
    variance: null,
  },
  lossWeighting: { type: 'edm', sigmaData: 0.5 },
  sampler: { type: 'heun', steps: 18, path: { type: 'edm' }, clipping: null },
} as const;

/** EDM with the noise levels and the learned uncertainty of Karras et al. 2024, arXiv:2312.02696. */
export const edm2 = {
  ...edm,
  curriculum: { type: 'edm2' },
  uncertainty: { lr: 0.01 },
  sampler: { ...edm.sampler, steps: 32 },
} as const satisfies PartialConfig;

/**
 * Objectives by name, for `--objective`: parts of a configuration that belong together. Any of their fields can still be
 * set; fields that they leave out keep their value.
 */
export const objectives: Readonly<Record<string, PartialConfig>> = {
  epsilon: { diffusion: { ...discrete, prediction: { type: 'epsilon' } } },
  x0: { diffusion: { ...discrete, prediction: { type: 'x0' } } },
  v: { diffusion: { ...discrete, prediction: { type: 'v' } } },
  /** x_0, with the error of v as the loss. */
  'x0-v': { diffusion: { ...discrete, prediction: { type: 'x0' }, loss: { type: 'v' } } },
  /** L_hybrid of Nichol & Dhariwal 2021, arXiv:2102.09672, as in DiT. */
  'learned-variance': {
    diffusion: { prediction: { type: 'epsilon' }, loss: null, variance: { type: 'learnedRange' } },
    lossWeighting: { type: 'constant' },
    sampler: { type: 'ddpm', variance: 'learnedRange', steps: 100 },
  },
  flow: rectifiedFlow,
  /** x_0 of a rectified flow, with the error of the velocity as the loss, as in JiT: Li & He 2025, arXiv:2511.13720. */
  'flow-x0': {
    diffusion: { ...rectifiedFlow.diffusion, prediction: { type: 'x0' }, loss: { type: 'flow', maxWeight: 400 } },
    curriculum: { type: 'logitNormal', mean: 0.8, std: 0.8 },
    lossWeighting: { type: 'constant' },
    sampler: { type: 'heun', variable: 'flow', path: { type: 'flow' }, clipping: null },
  },
  edm: { ...edm, curriculum: { type: 'edm' } },
  edm2,
};
