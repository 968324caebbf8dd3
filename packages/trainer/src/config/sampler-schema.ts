/** The sampler part of a configuration. Descriptions are in sampler-descriptions.ts, which training does not load. */
import { ddpmVariances, dpmSolverTypes, flowSpacings, spacings, uniPcTypes } from '@dm/core';
import * as z from 'zod';

const positive = z.number().positive();
const nonNegative = z.number().min(0);
const ratio = z.number().min(0).max(1);

const final = z.enum(['clean', 'first']).exactOptional();
const rho = positive.exactOptional();

/** Limits of sigma / alpha, within the noise schedule. */
const range = {
  sigmaMin: positive.exactOptional(),
  sigmaMax: positive.exactOptional(),
};

export const samplerPathSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('discrete'),
    spacing: z.enum(spacings).exactOptional(),
    stepsOffset: z.int().min(0).exactOptional(),
    final,
    stepEnd: z.enum(['next', 'stride']).exactOptional(),
  }),
  z.strictObject({ type: z.literal('karras'), rho, final }),
  z.strictObject({
    type: z.literal('edm'),
    sigmaMin: positive.exactOptional(),
    sigmaMax: positive.exactOptional(),
    rho,
    final,
  }),
  z.strictObject({ type: z.literal('exponential'), ...range, final }),
  z.strictObject({
    type: z.literal('beta'),
    alpha: positive.exactOptional(),
    beta: positive.exactOptional(),
    ...range,
    final,
  }),
  z.strictObject({
    type: z.literal('flow'),
    shift: positive.exactOptional(),
    dynamicShift: z
      .strictObject({
        tokens: positive.clone(),
        baseTokens: positive.exactOptional(),
        maxTokens: positive.exactOptional(),
        baseShift: z.number().exactOptional(),
        maxShift: z.number().exactOptional(),
      })
      .exactOptional(),
    spacing: z.enum(flowSpacings).exactOptional(),
    final,
  }),
]);

const clipping = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('range'),
    max: positive.exactOptional(),
  }),
  z.strictObject({
    type: z.literal('threshold'),
    quantile: z.number().gt(0).lt(1).exactOptional(),
    max: z.number().min(1).exactOptional(),
  }),
]);

/** Options of every sampler; a layer that selects another sampler does not discard them. */
const common = {
  steps: z.int().min(1).max(100_000),
  guidance: nonNegative.clone(),
  guidanceInterval: z.tuple([nonNegative, nonNegative]).nullable(),
  path: samplerPathSchema,
  clipping: clipping.nullable(),
};

const churn = z
  .strictObject({
    amount: nonNegative.clone(),
    min: nonNegative.exactOptional(),
    max: nonNegative.exactOptional(),
    std: positive.exactOptional(),
  })
  .exactOptional();

const noiseStd = nonNegative.exactOptional();
const ancestral = {
  eta: ratio.exactOptional(),
  noiseStd,
};
const sde = {
  eta: nonNegative.exactOptional(),
  noiseStd,
};
const dpmSolver = {
  lowerOrderFinal: z.enum(['auto', 'never']).exactOptional(),
  eulerAtFinal: z.boolean().exactOptional(),
  solverType: z.enum(dpmSolverTypes).exactOptional(),
};

/** The samplers of @dm/core and their options; `sampling/sampler.ts` creates them. */
export const samplerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('ddpm'),
    ...common,
    variance: z.enum(ddpmVariances).exactOptional(),
  }),
  z.strictObject({
    type: z.literal('ddim'),
    ...common,
    eta: z.number().min(0).max(1).exactOptional(),
    useClippedOutput: z.boolean().exactOptional(),
  }),
  z.strictObject({ type: z.literal('euler'), ...common, churn }),
  z.strictObject({ type: z.literal('euler-ancestral'), ...common, ...ancestral }),
  z.strictObject({
    type: z.literal('heun'),
    ...common,
    variable: z.enum(['ratio', 'flow']).exactOptional(),
    churn,
  }),
  z.strictObject({
    type: z.literal('lms'),
    ...common,
    order: z.int().min(1).max(4).exactOptional(),
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
    order: z.int().min(1).max(3).exactOptional(),
    solverType: z.enum(uniPcTypes).exactOptional(),
    disableCorrector: z.array(z.int().min(0)).max(100_000).exactOptional(),
  }),
]);
