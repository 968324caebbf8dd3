/** The sampler part of a configuration. */
import { ddpmVariances, dpmSolverTypes, flowSpacings, spacings, uniPcTypes } from '@dm/core';
import * as z from 'zod';

const positive = z.number().positive();
const nonNegative = z.number().min(0);
const ratio = z.number().min(0).max(1);

const final = z
  .enum(['clean', 'first'])
  .exactOptional()
  .describe('End of the last step: clean (default), or the noise of timestep 0 (set_alpha_to_one: false).');
const rho = positive.exactOptional().describe('Exponent of the spacing of sigmas (default: 7).');

/** Limits of sigma / alpha, within the noise schedule. */
const range = {
  sigmaMin: positive.exactOptional().describe("Smallest sigma / alpha (default: the noise schedule's)."),
  sigmaMax: positive.exactOptional().describe("Largest sigma / alpha (default: the noise schedule's)."),
};

const path = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('discrete'),
    spacing: z
      .enum(spacings)
      .exactOptional()
      .describe('Spacing of the timesteps (default: leading, or trailing with zero terminal SNR).'),
    stepsOffset: z.int().min(0).exactOptional().describe('Added to each timestep of leading spacing (default: 0).'),
    final,
    stepEnd: z
      .enum(['next', 'stride'])
      .exactOptional()
      .describe("End of a step: the next timestep (default), or T / steps earlier, as in diffusers' DDIMScheduler."),
  }),
  z
    .strictObject({ type: z.literal('karras'), rho, final })
    .describe("Karras et al.'s sigmas over the whole range of the noise schedule (use_karras_sigmas)."),
  z
    .strictObject({
      type: z.literal('edm'),
      sigmaMin: positive
        .exactOptional()
        .describe('Smallest sigma / alpha (default: 0.002), within the noise schedule.'),
      sigmaMax: positive.exactOptional().describe('Largest sigma / alpha (default: 80), within the noise schedule.'),
      rho,
      final,
    })
    .describe("Karras et al.'s sigmas over EDM's range."),
  z
    .strictObject({ type: z.literal('exponential'), ...range, final })
    .describe('Sigmas evenly spaced in their logarithm (use_exponential_sigmas and use_lu_lambdas in diffusers).'),
  z
    .strictObject({
      type: z.literal('beta'),
      alpha: positive.exactOptional().describe('First parameter of the Beta distribution (default: 0.6).'),
      beta: positive.exactOptional().describe('Second parameter of the Beta distribution (default: 0.6).'),
      ...range,
      final,
    })
    .describe('Sigmas at evenly spaced quantiles of a Beta distribution (use_beta_sigmas in diffusers).'),
  z
    .strictObject({
      type: z.literal('flow'),
      shift: positive.exactOptional().describe('Shift of the flow times (default: 1, evenly spaced).'),
      dynamicShift: z
        .strictObject({
          tokens: positive.describe('Tokens of an image: its patches.'),
          baseTokens: positive.exactOptional().describe('Tokens with baseShift (default: 256).'),
          maxTokens: positive.exactOptional().describe('Tokens with maxShift (default: 4096).'),
          baseShift: z.number().exactOptional().describe('mu at baseTokens; the shift is e^mu (default: 0.5).'),
          maxShift: z.number().exactOptional().describe('mu at maxTokens (default: 1.15).'),
        })
        .exactOptional()
        .describe('Shift by the size of the image (use_dynamic_shifting in diffusers), in place of shift.'),
      spacing: z
        .enum(flowSpacings)
        .exactOptional()
        .describe(
          "Spacing of the flow times: even (default), or flow-match-euler, of diffusers' FlowMatchEulerDiscreteScheduler.",
        ),
      final,
    })
    .describe('Times of rectified flow, sigma / (alpha + sigma).'),
]);

const clipping = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('range'),
    max: positive.exactOptional().describe('x_0 is clipped to [-max, max] (default: 1, the range of images).'),
  }),
  z
    .strictObject({
      type: z.literal('threshold'),
      quantile: z
        .number()
        .gt(0)
        .lt(1)
        .exactOptional()
        .describe('Quantile of |x_0| of an image that becomes its range (default: 0.995).'),
      max: z.number().min(1).exactOptional().describe('Upper limit of that range (default: 1).'),
    })
    .describe('Dynamic thresholding of Saharia et al. 2022.'),
]);

/** Options of every sampler; a layer that selects another sampler does not discard them. */
const common = {
  steps: z.int().min(1).max(100_000).describe('Number of sampling steps.'),
  guidance: nonNegative.describe(
    'Classifier-free guidance scale: 1 for none; larger values need a model trained with label dropout.',
  ),
  guidanceInterval: z
    .tuple([nonNegative, nonNegative])
    .nullable()
    .describe('Range of sigma / alpha in which guidance is applied; null for all.'),
  path: path.describe('Noise levels that the sampler visits.'),
  clipping: clipping.nullable().describe('Clipping of the predicted x_0 at each step; null for none.'),
};

const churn = z
  .strictObject({
    amount: nonNegative.describe('S_churn.'),
    min: nonNegative.exactOptional().describe('S_min (default: 0).'),
    max: nonNegative.exactOptional().describe('S_max (default: no limit).'),
    std: positive.exactOptional().describe('S_noise (default: 1).'),
  })
  .exactOptional()
  .describe("Noise added before each step, as in EDM's stochastic sampler (default: none).");

const noiseStd = nonNegative.exactOptional().describe('Standard deviation of fresh noise, s_noise (default: 1).');
const ancestral = {
  eta: ratio.exactOptional().describe('Fresh noise: 0 is deterministic, 1 (default) as much as DDPM.'),
  noiseStd,
};
const sde = {
  eta: nonNegative.exactOptional().describe('Fresh noise: 0 solves the ODE, 1 (default) the reverse SDE.'),
  noiseStd,
};
const dpmSolver = {
  lowerOrderFinal: z
    .enum(['auto', 'never'])
    .exactOptional()
    .describe('Whether the last of fewer than 15 steps have a lower order: auto (default) or never.'),
  eulerAtFinal: z
    .boolean()
    .exactOptional()
    .describe('Make the last step first order in any case (euler_at_final; default: false).'),
  solverType: z.enum(dpmSolverTypes).exactOptional().describe('Form of a second-order step (default: midpoint).'),
};

/** The samplers of @dm/core and their options; `sampling/sampler.ts` creates them. */
export const samplerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('ddpm'),
    ...common,
    variance: z
      .enum(ddpmVariances)
      .exactOptional()
      .describe('Variance of a step: fixedSmall (default), fixedLarge, or learnedRange for a model with 2C outputs.'),
  }),
  z.strictObject({
    type: z.literal('ddim'),
    ...common,
    eta: z
      .number()
      .min(0)
      .max(1)
      .exactOptional()
      .describe('Fresh noise: 0 (default) is deterministic, 1 as much as DDPM.'),
    useClippedOutput: z
      .boolean()
      .exactOptional()
      .describe('Recompute epsilon from the clipped x_0 (use_clipped_model_output; default: false).'),
  }),
  z.strictObject({ type: z.literal('euler'), ...common, churn }),
  z.strictObject({ type: z.literal('euler-ancestral'), ...common, ...ancestral }),
  z.strictObject({
    type: z.literal('heun'),
    ...common,
    variable: z
      .enum(['ratio', 'flow'])
      .exactOptional()
      .describe('Integration variable: sigma / alpha (ratio, default) or sigma / (alpha + sigma) (flow).'),
    churn,
  }),
  z.strictObject({
    type: z.literal('lms'),
    ...common,
    order: z.int().min(1).max(4).exactOptional().describe('Evaluations that a step uses, 1 to 4 (default: 4).'),
  }),
  z.strictObject({ type: z.literal('dpm-2'), ...common, churn }),
  z.strictObject({ type: z.literal('dpm-2-ancestral'), ...common, ...ancestral }),
  z.strictObject({ type: z.literal('dpmpp-2s-ancestral'), ...common, ...ancestral }),
  z.strictObject({ type: z.literal('dpmpp-2m'), ...common, ...dpmSolver }),
  z.strictObject({ type: z.literal('dpmpp-3m'), ...common, ...dpmSolver }),
  z.strictObject({ type: z.literal('dpmpp-2m-sde'), ...common, ...dpmSolver, ...sde }),
  z.strictObject({ type: z.literal('dpmpp-3m-sde'), ...common, ...sde }),
  z.strictObject({
    type: z.literal('unipc'),
    ...common,
    order: z.int().min(1).max(3).exactOptional().describe('Order of the solver, 1 to 3 (default: 2).'),
    solverType: z.enum(uniPcTypes).exactOptional().describe('B(h): bh2 (default), e^h - 1, or bh1, h.'),
    disableCorrector: z
      .array(z.int().min(0))
      .max(100_000)
      .exactOptional()
      .describe('Steps, from 0, after which the corrector is not applied (default: none).'),
  }),
]);
