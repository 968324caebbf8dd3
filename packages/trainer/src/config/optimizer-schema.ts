/** The part of a configuration that says how gradients become steps. */
import { z } from 'zod';

/** Under their names in @dm/optim; `optimizers.ts` makes each. */
export const optimizerNames = ['adamW', 'adam', 'sgd', 'lion', 'muon', 'adEMAMix', 'scheduleFreeAdamW'] as const;

/** Groups of parameters, as `parameterLayout` of @dm/models has them. */
export const decayGroups = ['matrix', 'vector', 'embedding'] as const;

const positive = z.number().positive();
const count = z.int().min(1);
const momentum = z.number().min(0).lt(1);
const ratio = z.number().min(0).max(1);

export const optimizerSchema = z.strictObject({
  name: z
    .enum(optimizerNames)
    .describe('What turns gradients into steps; adamW, and others of @dm/optim under their names there.'),
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
    .describe('Parameters that weight decay acts on: all groups, or ["matrix"] for matrices and filters alone.'),
  params: z.record(z.string(), z.json()).describe("The optimizer's own fields; its defaults where left out."),
  schedule: z
    .discriminatedUnion('name', [
      z.strictObject({ name: z.literal('constant') }),
      z.strictObject({ name: z.literal('linear'), finalRatio: ratio.exactOptional() }),
      z.strictObject({ name: z.literal('cosine'), finalRatio: ratio.exactOptional() }),
      z.strictObject({ name: z.literal('inverseSqrt'), decaySteps: count }),
    ])
    .describe(
      'How the learning rate falls over the run: to finalRatio (0) of itself, linearly or as a cosine; with the root ' +
        'of the step after decaySteps. MDLRC is momentumDecay with compensate, over constant.',
    ),
  momentumDecay: z.boolean().describe('Lower beta1 to 0 over the run (Demon).'),
  compensate: z.boolean().describe('Lower the learning rate along with the momentum: with momentumDecay, MDLRC.'),
  warmup: z.int().min(0).describe('Steps over which the learning rate rises at the start.'),
  clip: positive.nullable().describe('Largest norm of the gradient; null does not clip.'),
});

export type OptimizerOptions = z.infer<typeof optimizerSchema>;
