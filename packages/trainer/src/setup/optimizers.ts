/** The optimizers that a configuration may name, each with the fields that are its own. */
import type { FlatLayout } from '@dm/ops';
import {
  adam,
  adamW,
  adEMAMix,
  constantLr,
  cosineLr,
  inverseSqrtLr,
  linearLr,
  lion,
  momentumDecay,
  muon,
  scheduleFreeAdamW,
  sgd,
  withWarmup,
  type Optimizer,
  type StepSchedule,
  type WeightDecay,
} from '@dm/optim';
import { z } from 'zod';
import { UserError } from '../errors.js';
import { suggestion } from '../config/suggestion.js';
import { decayGroups, type optimizerNames, type OptimizerOptions } from '../config/optimizer-schema.js';

/** An optimizer, and what its logs say of a step (from 0). */
export interface ScheduledOptimizer {
  readonly optimizer: Optimizer;
  readonly lr: StepSchedule;
  /** beta1, or the momentum. */
  readonly momentum: StepSchedule;
}

interface Schedules {
  readonly lr: StepSchedule;
  readonly beta1: StepSchedule | number;
}

interface Parts {
  readonly options: OptimizerOptions;
  readonly totalSteps: number;
  readonly layout: FlatLayout;
  /** With warm-up, schedule and momentum decay. */
  readonly schedules: Schedules;
  /** By group, for those whose decay is decoupled. */
  readonly weightDecay: WeightDecay;
}

interface OptimizerType<P extends z.ZodType = z.ZodType> {
  /** Its own fields, `optimizer.params`. */
  readonly params: P;
  readonly create: (parts: Parts, params: z.output<P>) => Optimizer;
  /** What it cannot do, each with what to set instead. */
  readonly refuses?: readonly (keyof typeof refusals)[];
}

const positive = z.number().positive();
const share = z.number().min(0).lt(1);

const entry = <P extends z.ZodType>(type: OptimizerType<P>): OptimizerType => type;

/** Under the names of @dm/optim. */
const optimizerTypes: Readonly<Record<(typeof optimizerNames)[number], OptimizerType>> = {
  adamW: entry({
    params: z.strictObject({}),
    create: ({ options: { betas, eps }, schedules, weightDecay }) =>
      adamW({ ...schedules, beta2: betas[1], eps, weightDecay }),
  }),
  adam: entry({
    params: z.strictObject({}),
    create: ({ options: { betas, eps, weightDecay }, schedules }) =>
      adam({ ...schedules, beta2: betas[1], eps, weightDecay }),
    refuses: ['decayGroups'],
  }),
  sgd: entry({
    params: z.strictObject({
      form: z.enum(['averaged', 'heavyBall']).default('averaged'),
      nesterov: z.boolean().default(false),
    }),
    create: ({ options: { weightDecay }, schedules: { lr, beta1 } }, params) =>
      sgd({ lr, momentum: beta1, weightDecay, ...params }),
    refuses: ['decayGroups'],
  }),
  lion: entry({
    params: z.strictObject({}),
    create: ({ options: { betas }, schedules, weightDecay }) => lion({ ...schedules, beta2: betas[1], weightDecay }),
  }),
  muon: entry({
    // The matrices' own learning rate and momentum; lr, betas and eps of the optimizer are Adam's, for all the rest.
    params: z.strictObject({
      lr: positive.default(0.02),
      momentum: share.default(0.95),
      iterations: z.int().min(1).default(5),
    }),
    create: ({ options, layout, schedules, totalSteps }, params) => {
      const { betas, eps, weightDecay } = options;
      const own = schedulesOf({ ...options, lr: params.lr, betas: [params.momentum, betas[1]] }, totalSteps);
      return muon({
        layout,
        lr: own.lr,
        momentum: own.beta1,
        weightDecay,
        iterations: params.iterations,
        adam: { ...schedules, beta2: betas[1], eps },
      });
    },
    refuses: ['decayGroups'],
  }),
  adEMAMix: entry({
    params: z.strictObject({
      beta3: share.default(0.9999),
      alpha: z.number().min(0).default(2),
      warmupSteps: z.int().min(0).default(0),
    }),
    create: ({ options: { betas, eps }, schedules: { lr }, weightDecay }, params) =>
      adEMAMix({ lr, beta1: betas[0], beta2: betas[1], eps, weightDecay, ...params }),
    refuses: ['momentumDecay'],
  }),
  scheduleFreeAdamW: entry({
    params: z.strictObject({}),
    create: ({ options: { lr, betas, eps, weightDecay, warmup } }) =>
      scheduleFreeAdamW({ lr, beta1: betas[0], beta2: betas[1], eps, weightDecay, warmupSteps: warmup }),
    refuses: ['momentumDecay', 'schedule', 'decayGroups'],
  }),
};

const refusals = {
  momentumDecay: {
    isAsked: ({ momentumDecay: asked }: OptimizerOptions) => asked,
    message: 'has no momentum decay: set optimizer.momentumDecay=false (--no-momentum-decay)',
  },
  schedule: {
    isAsked: ({ schedule }: OptimizerOptions) => schedule.name !== 'constant',
    message: 'follows no schedule, that is its point: set optimizer.schedule.name=constant',
  },
  decayGroups: {
    isAsked: (o: OptimizerOptions) => o.weightDecay > 0 && decayGroups.some((g) => !o.decayGroups.includes(g)),
    message:
      'cannot decay some groups of parameters alone: leave optimizer.decayGroups out, or set optimizer.weightDecay=0',
  },
} as const;

/** Throws a UserError on what this optimizer cannot do, and on fields in `params` that it does not have. */
export function createOptimizer(options: OptimizerOptions, totalSteps: number, layout: FlatLayout): ScheduledOptimizer {
  const { name } = options;
  const type = optimizerTypes[name];
  for (const refused of type.refuses ?? []) {
    if (refusals[refused].isAsked(options)) throw new UserError(`The optimizer ${name} ${refusals[refused].message}.`);
  }
  const schedules = schedulesOf(options, totalSteps);
  const { lr, beta1 } = schedules;
  const parts: Parts = { options, totalSteps, layout, schedules, weightDecay: weightDecayOf(options, layout) };
  return {
    optimizer: type.create(parts, ownParams(name, type, options.params)),
    lr,
    momentum: typeof beta1 === 'number' ? () => beta1 : beta1,
  };
}

/** Warm-up times schedule, and both schedules of momentum decay over them where it is asked for. */
function schedulesOf(options: OptimizerOptions, totalSteps: number): Schedules {
  const { betas, compensate, warmup } = options;
  const lr = withWarmup(lrOf(options, totalSteps), warmup);
  // Momentum that is 0 from the start has nothing to lose.
  if (!options.momentumDecay || betas[0] === 0) return { lr, beta1: betas[0] };
  return momentumDecay({ lr, totalSteps, b0: betas[0], compensate });
}

function lrOf({ lr, schedule }: OptimizerOptions, totalSteps: number): StepSchedule {
  switch (schedule.name) {
    case 'constant':
      return constantLr(lr);
    case 'linear':
      return linearLr({ lr, totalSteps, finalRatio: schedule.finalRatio ?? 0 });
    case 'cosine':
      return cosineLr({ lr, totalSteps, finalRatio: schedule.finalRatio ?? 0 });
    default:
      return inverseSqrtLr({ lr, decaySteps: schedule.decaySteps });
  }
}

function weightDecayOf(options: OptimizerOptions, layout: FlatLayout): WeightDecay {
  if (decayGroups.every((group) => options.decayGroups.includes(group))) return options.weightDecay;
  const present = new Set(layout.entries.map(({ group }) => group));
  const chosen = options.decayGroups.filter((group) => present.has(group));
  return { layout, byGroup: Object.fromEntries(chosen.map((group) => [group, options.weightDecay])) };
}

function ownParams(name: string, { params: schema }: OptimizerType, given: object): unknown {
  const known = Object.keys((schema as z.ZodObject).shape);
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const has = known.length === 0 ? 'It has none of its own.' : suggestion(unknown, known);
    throw new UserError(`optimizer.params: ${name} has no field "${unknown}". ${has}`);
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(`optimizer.params.${issue!.path.join('.')} of ${name} is not possible: ${issue!.message}.`);
}
