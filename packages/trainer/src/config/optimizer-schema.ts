/** The optimizer part of a configuration. */
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
  lr: positive.describe('Initial learning rate (after warm-up).'),
  betas: z
    .tuple([momentum, momentum])
    .describe('beta1 (initial momentum) and beta2 (decay of the squared-gradient average).'),
  eps: positive,
  weightDecay: z
    .number()
    .min(0)
    .describe(
      'Decoupled weight decay, multiplied by the learning rate. For adam and sgd: L2 penalty. For muon: of its matrices.',
    ),
  decayGroups: z
    .array(z.enum(decayGroups))
    .min(1)
    .max(decayGroups.length)
    .describe('Parameter groups that weight decay applies to, such as ["matrix"] for matrices and filters only.'),
  warmup: z.int().min(0).describe('Warm-up steps of the learning rate.'),
  warmupShare: z
    .number()
    .min(0)
    .lt(1)
    .exactOptional()
    .describe('Warm-up as a fraction of totalSteps instead, rounded to steps; needs warmup 0.'),
  warmupRule: z
    .enum(['overlap', 'diffusers'])
    .exactOptional()
    .describe(
      'overlap (default): the schedule from step 0, times (step + 1) / warmup. diffusers: step / warmup, then the schedule.',
    ),
  lrSchedule: lrSchedule.describe(
    'Learning rate schedule over the run: linear or cosine decay to finalRatio (default: 0) of the initial rate, or ' +
      'inverse square root after decaySteps. For MDLRC use constant with momentumDecay.compensate.',
  ),
  momentumDecay: z
    .strictObject({
      type: z.enum(momentumShapes),
      finalBeta: momentum
        .exactOptional()
        .describe('beta1 at the end of the run, at most its initial value (default: 0).'),
      afterWarmup: z
        .boolean()
        .exactOptional()
        .describe('Decay over the steps after the warm-up only (default: false, over the whole run).'),
      compensate: z.boolean().default(true).describe('Decay the learning rate along with the momentum (MDLRC).'),
    })
    .nullable()
    .describe(
      'Momentum decay: beta1 decays to finalBeta over the run, slowly at first (demon) or linearly (linear); null keeps it constant.',
    ),
  maxGradNorm: positive.nullable().describe('Gradient clipping by global norm; null for no clipping.'),
};

/** The optimizers of @dm/optim and their options; `setup/optimizers.ts` creates them. */
export const optimizerSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('adamW'), ...common }),
  z.strictObject({ type: z.literal('adam'), ...common }),
  z.strictObject({
    type: z.literal('sgd'),
    ...common,
    form: z
      .enum(['averaged', 'heavyBall'])
      .default('averaged')
      .describe('Momentum update: m <- beta m + (1 - beta) g (averaged) or m <- beta m + g (heavyBall).'),
    nesterov: z.boolean().default(false).describe('Use Nesterov momentum.'),
  }),
  z.strictObject({ type: z.literal('lion'), ...common }),
  z.strictObject({
    type: z.literal('muon'),
    ...common,
    matrixLr: positive
      .default(0.02)
      .describe('Learning rate of the matrices; lr, betas and eps apply to all other parameters, which Adam updates.'),
    matrixMomentum: momentum.default(0.95).describe('Momentum of the matrices.'),
    iterations: count.max(100).default(5).describe('Newton-Schulz iterations.'),
    adjustLr: z
      .enum(muonLrAdjustments)
      .exactOptional()
      .describe(
        'Scale of an update: original (default), sqrt(max(1, out / in)), or matchRmsAdamW, 0.2 sqrt(max(in, out)), for ' +
          "learning rates of AdamW (match_rms_adamw in PyTorch's Muon).",
      ),
    orthogonalize: z
      .enum(['hidden', 'all'])
      .default('hidden')
      .describe('Matrices that Muon updates: hidden leaves input, output, and time layers to Adam; all leaves none.'),
  }),
  z.strictObject({
    type: z.literal('adEMAMix'),
    ...common,
    beta3: momentum.default(0.9999).describe('Decay of the slow average.'),
    alpha: z.number().min(0).default(2).describe('Weight of the slow average in the update.'),
    warmupSteps: z.int().min(0).default(0).describe('Warm-up steps of alpha and beta3.'),
  }),
  z.strictObject({ type: z.literal('scheduleFreeAdamW'), ...common }),
]);

export type OptimizerOptions = z.infer<typeof optimizerSchema>;
