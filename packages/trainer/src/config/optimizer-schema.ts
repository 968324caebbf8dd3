/** The optimizer part of a configuration. Descriptions are in optimizer-descriptions.ts, which training does not load. */
import { momentumShapes, muonLrAdjustments } from '@dm/optim';
import * as z from 'zod';

/** Parameter groups, as defined by `parameterLayout` of @dm/models. */
export const decayGroups = ['matrix', 'vector', 'embedding'] as const;

const positive = z.number().positive();
const count = z.int().min(1);
const momentum = z.number().min(0).lt(1);
const ratio = z.number().min(0).max(1);

const lrSchedule = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('constant') }),
  z.strictObject({ type: z.literal('linear'), finalRatio: ratio.exactOptional() }),
  z.strictObject({ type: z.literal('cosine'), finalRatio: ratio.exactOptional() }),
  z.strictObject({ type: z.literal('inverseSqrt'), decaySteps: count }),
]);

/** Options of every optimizer; a layer that selects another optimizer does not discard them. */
const common = {
  lr: positive.clone(),
  betas: z.tuple([momentum, momentum]),
  eps: positive,
  weightDecay: z.number().min(0),
  decayGroups: z.array(z.enum(decayGroups)).min(1).max(decayGroups.length),
  warmup: z.int().min(0),
  warmupShare: z.number().min(0).lt(1).exactOptional(),
  warmupRule: z.enum(['overlap', 'diffusers']).exactOptional(),
  lrSchedule: lrSchedule,
  momentumDecay: z
    .strictObject({
      type: z.enum(momentumShapes),
      finalBeta: momentum.exactOptional(),
      afterWarmup: z.boolean().exactOptional(),
      compensate: z.boolean().default(true),
    })
    .nullable(),
  maxGradNorm: positive.nullable(),
};

/** The optimizers of @dm/optim and their options; `setup/optimizers.ts` creates them. */
export const optimizerSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('adamW'), ...common }),
  z.strictObject({ type: z.literal('adam'), ...common }),
  z.strictObject({
    type: z.literal('sgd'),
    ...common,
    form: z.enum(['averaged', 'heavyBall']).default('averaged'),
    nesterov: z.boolean().default(false),
  }),
  z.strictObject({ type: z.literal('lion'), ...common }),
  z.strictObject({
    type: z.literal('muon'),
    ...common,
    matrixLr: positive.default(0.02),
    matrixMomentum: momentum.default(0.95),
    iterations: count.max(100).default(5),
    adjustLr: z.enum(muonLrAdjustments).exactOptional(),
    orthogonalize: z.enum(['hidden', 'all']).default('hidden'),
  }),
  z.strictObject({
    type: z.literal('adEMAMix'),
    ...common,
    beta3: momentum.default(0.9999),
    alpha: z.number().min(0).default(2),
    warmupSteps: z.int().min(0).default(0),
  }),
  z.strictObject({ type: z.literal('scheduleFreeAdamW'), ...common }),
]);

export type OptimizerOptions = z.infer<typeof optimizerSchema>;
