/** Descriptions of the options of samplers and paths, for help and for the JSON Schema. */
import * as z from 'zod';
import { samplerPathSchema, samplerSchema } from './sampler-schema.js';

/** By type and option; the text of a type itself has an empty name. */
type Texts = Readonly<Record<string, Readonly<Record<string, string>>>>;

const paths: Texts = {
  discrete: {
    spacing: 'Spacing of the timesteps (default: leading, or trailing with zero terminal SNR).',
    stepsOffset: 'Added to each timestep of leading spacing (default: 0).',
    final: 'End of the last step: clean (default), or the noise of timestep 0 (set_alpha_to_one: false).',
    stepEnd: "End of a step: the next timestep (default), or T / steps earlier, as in diffusers' DDIMScheduler.",
  },
  karras: {
    '': "Karras et al.'s sigmas over the whole range of the noise schedule (use_karras_sigmas).",
    rho: 'Exponent of the spacing of sigmas (default: 7).',
    final: 'End of the last step: clean (default), or the noise of timestep 0 (set_alpha_to_one: false).',
  },
  edm: {
    '': "Karras et al.'s sigmas over EDM's range.",
    sigmaMin: 'Smallest sigma / alpha (default: 0.002), within the noise schedule.',
    sigmaMax: 'Largest sigma / alpha (default: 80), within the noise schedule.',
    rho: 'Exponent of the spacing of sigmas (default: 7).',
    final: 'End of the last step: clean (default), or the noise of timestep 0 (set_alpha_to_one: false).',
  },
  exponential: {
    '': 'Sigmas evenly spaced in their logarithm (use_exponential_sigmas and use_lu_lambdas in diffusers).',
    sigmaMin: "Smallest sigma / alpha (default: the noise schedule's).",
    sigmaMax: "Largest sigma / alpha (default: the noise schedule's).",
    final: 'End of the last step: clean (default), or the noise of timestep 0 (set_alpha_to_one: false).',
  },
  beta: {
    '': 'Sigmas at evenly spaced quantiles of a Beta distribution (use_beta_sigmas in diffusers).',
    alpha: 'First parameter of the Beta distribution (default: 0.6).',
    beta: 'Second parameter of the Beta distribution (default: 0.6).',
    sigmaMin: "Smallest sigma / alpha (default: the noise schedule's).",
    sigmaMax: "Largest sigma / alpha (default: the noise schedule's).",
    final: 'End of the last step: clean (default), or the noise of timestep 0 (set_alpha_to_one: false).',
  },
  flow: {
    '': 'Times of rectified flow, sigma / (alpha + sigma).',
    shift: 'Shift of the flow times (default: 1, evenly spaced).',
    spacing:
      "Spacing of the flow times: even (default), or flow-match-euler, of diffusers' FlowMatchEulerDiscreteScheduler.",
    final: 'End of the last step: clean (default), or the noise of timestep 0 (set_alpha_to_one: false).',
  },
};

const samplers: Texts = {
  ddpm: {
    variance: 'Variance of a step: fixedSmall (default), fixedLarge, or learnedRange for a model with 2C outputs.',
  },
  ddim: {
    eta: 'Fresh noise: 0 (default) is deterministic, 1 as much as DDPM.',
    useClippedOutput: 'Recompute epsilon from the clipped x_0 (use_clipped_model_output; default: false).',
  },
  'euler-ancestral': {
    eta: 'Fresh noise: 0 is deterministic, 1 (default) as much as DDPM.',
    noiseStd: 'Standard deviation of fresh noise, s_noise (default: 1).',
  },
  heun: {
    variable: 'Integration variable: sigma / alpha (ratio, default) or sigma / (alpha + sigma) (flow).',
  },
  lms: {
    order: 'Evaluations that a step uses, 1 to 4 (default: 4).',
  },
  'dpm-2-ancestral': {
    eta: 'Fresh noise: 0 is deterministic, 1 (default) as much as DDPM.',
    noiseStd: 'Standard deviation of fresh noise, s_noise (default: 1).',
  },
  'dpmpp-2s-ancestral': {
    eta: 'Fresh noise: 0 is deterministic, 1 (default) as much as DDPM.',
    noiseStd: 'Standard deviation of fresh noise, s_noise (default: 1).',
  },
  'dpmpp-2m': {
    lowerOrderFinal: 'Whether the last of fewer than 15 steps have a lower order: auto (default) or never.',
    eulerAtFinal: 'Make the last step first order in any case (euler_at_final; default: false).',
    solverType: 'Form of a second-order step (default: midpoint).',
  },
  'dpmpp-3m': {
    lowerOrderFinal: 'Whether the last of fewer than 15 steps have a lower order: auto (default) or never.',
    eulerAtFinal: 'Make the last step first order in any case (euler_at_final; default: false).',
    solverType: 'Form of a second-order step (default: midpoint).',
  },
  'dpmpp-2m-sde': {
    lowerOrderFinal: 'Whether the last of fewer than 15 steps have a lower order: auto (default) or never.',
    eulerAtFinal: 'Make the last step first order in any case (euler_at_final; default: false).',
    solverType: 'Form of a second-order step (default: midpoint).',
    eta: 'Fresh noise: 0 solves the ODE, 1 (default) the reverse SDE.',
    noiseStd: 'Standard deviation of fresh noise, s_noise (default: 1).',
  },
  'dpmpp-3m-sde': {
    eta: 'Fresh noise: 0 solves the ODE, 1 (default) the reverse SDE.',
    noiseStd: 'Standard deviation of fresh noise, s_noise (default: 1).',
  },
  unipc: {
    order: 'Order of the solver, 1 to 3 (default: 2).',
    solverType: 'B(h): bh2 (default), e^h - 1, or bh1, h.',
    disableCorrector: 'Steps, from 0, after which the corrector is not applied (default: none).',
  },
};

/** Options of every sampler and groups of options, by path as in schema-descriptions.ts. */
export const samplerTexts: Readonly<Record<string, string>> = {
  'sampler.steps': 'Number of sampling steps.',
  'sampler.guidance':
    'Classifier-free guidance scale: 1 for none; larger values need a model trained with label dropout.',
  'sampler.guidanceInterval': 'Range of sigma / alpha in which guidance is applied; null for all.',
  'sampler.path': 'Noise levels that the sampler visits.',
  'sampler.path.dynamicShift': 'Shift by the size of the image (use_dynamic_shifting in diffusers), in place of shift.',
  'sampler.path.dynamicShift.tokens': 'Tokens of an image: its patches.',
  'sampler.path.dynamicShift.baseTokens': 'Tokens with baseShift (default: 256).',
  'sampler.path.dynamicShift.maxTokens': 'Tokens with maxShift (default: 4096).',
  'sampler.path.dynamicShift.baseShift': 'mu at baseTokens; the shift is e^mu (default: 0.5).',
  'sampler.path.dynamicShift.maxShift': 'mu at maxTokens (default: 1.15).',
  'sampler.clipping': 'Clipping of the predicted x_0 at each step; null for none.',
  'sampler.clipping(range).max': 'x_0 is clipped to [-max, max] (default: 1, the range of images).',
  'sampler.clipping(threshold)': 'Dynamic thresholding of Saharia et al. 2022.',
  'sampler.clipping.quantile': 'Quantile of |x_0| of an image that becomes its range (default: 0.995).',
  'sampler.clipping(threshold).max': 'Upper limit of that range (default: 1).',
  'sampler.churn': "Noise added before each step, as in EDM's stochastic sampler (default: none).",
  'sampler.churn.amount': 'S_churn.',
  'sampler.churn.min': 'S_min (default: 0).',
  'sampler.churn.max': 'S_max (default: no limit).',
  'sampler.churn.std': 'S_noise (default: 1).',
};

/** Adds the descriptions of `paths` and `samplers` to the fields of the schema, from which zod writes them to a JSON Schema. */
export function describeSamplers(): void {
  describeTypes(samplerPathSchema, paths);
  describeTypes(samplerSchema, samplers);
}

function describeTypes({ options }: { readonly options: readonly z.ZodObject[] }, texts: Texts): void {
  for (const option of options) {
    const { type, ...fields } = option.shape as Readonly<Record<string, z.core.$ZodType>>;
    const own = texts[(type as z.ZodLiteral<string>).value] ?? {};
    for (const [name, schema] of Object.entries({ ...fields, '': option })) {
      if (own[name] !== undefined) z.globalRegistry.add(schema, { description: own[name] });
    }
  }
}
