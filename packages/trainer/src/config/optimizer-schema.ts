/** The part of a configuration that says how gradients become steps. */
import { z } from 'zod';

/** Groups of parameters, as `parameterLayout` of @dm/models has them. */
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

/** What every optimizer has; it stays when a layer names another one. */
const common = {
  lr: positive.describe('Learning rate at the start (after warm-up).'),
  betas: z.tuple([momentum, momentum]).describe('Momentum (beta1, at the start) and average of squares (beta2).'),
  eps: positive,
  weightDecay: z
    .number()
    .min(0)
    .describe('Decoupled weight decay, times the learning rate; of adam and sgd an L2 penalty; of muon its matrices.'),
  decayGroups: z
    .array(z.enum(decayGroups))
    .min(1)
    .max(decayGroups.length)
    .describe('Parameters that weight decay acts on: all groups, or ["matrix"] for matrices and filters alone.'),
  warmup: z.int().min(0).describe('Steps over which the learning rate rises at the start.'),
  lrSchedule: lrSchedule.describe(
    'How the learning rate falls over the run: to finalRatio (0) of itself, linearly or as a cosine; with the root ' +
      'of the step after decaySteps. MDLRC is momentumDecay with compensate, over constant.',
  ),
  momentumDecay: z
    .strictObject({
      type: z.literal('demon'),
      compensate: z.boolean().default(true).describe('Lower the learning rate along with the momentum: MDLRC.'),
    })
    .nullable()
    .describe('Lower beta1 to 0 over the run: demon; null keeps it.'),
  maxGradNorm: positive.nullable().describe('Largest norm of the gradient; null does not clip.'),
};

/** Under their names in @dm/optim, each with its own options; `setup/optimizers.ts` makes them. */
export const optimizerSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('adamW'), ...common }),
  z.strictObject({ type: z.literal('adam'), ...common }),
  z.strictObject({
    type: z.literal('sgd'),
    ...common,
    form: z
      .enum(['averaged', 'heavyBall'])
      .default('averaged')
      .describe('Whether the momentum is an average or a sum.'),
    nesterov: z.boolean().default(false).describe("Nesterov's momentum."),
  }),
  z.strictObject({ type: z.literal('lion'), ...common }),
  z.strictObject({
    type: z.literal('muon'),
    ...common,
    matrixLr: positive
      .default(0.02)
      .describe('Learning rate of the matrices; lr, betas and eps are those of Adam, for all the rest.'),
    matrixMomentum: momentum.default(0.95).describe('Momentum of the matrices.'),
    iterations: count.max(100).default(5).describe('Newton-Schulz iterations.'),
  }),
  z.strictObject({
    type: z.literal('adEMAMix'),
    ...common,
    beta3: momentum.default(0.9999).describe('Of the slow average.'),
    alpha: z.number().min(0).default(2).describe('Share of the slow average in the step.'),
    warmupSteps: z.int().min(0).default(0).describe('Steps over which alpha and beta3 rise.'),
  }),
  z.strictObject({ type: z.literal('scheduleFreeAdamW'), ...common }),
]);

export type OptimizerOptions = z.infer<typeof optimizerSchema>;
