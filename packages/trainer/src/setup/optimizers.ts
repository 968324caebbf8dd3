/** Creates the optimizer of a configuration. */
import type { FlatLayout } from '@dm/ops';
import {
  adam,
  adamW,
  adEMAMix,
  afterWarmup,
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
import { UserError } from '../errors.js';
import { decayGroups, type OptimizerOptions } from '../config/optimizer-schema.js';

/** An optimizer, and the logged values of each step (from 0). */
export interface ScheduledOptimizer {
  readonly optimizer: Optimizer;
  readonly lr: StepSchedule;
  /** beta1, or the momentum of optimizers without one. */
  readonly momentum: StepSchedule;
}

interface Schedules {
  readonly lr: StepSchedule;
  readonly beta1: StepSchedule | number;
}

interface Parts<Options extends OptimizerOptions> {
  readonly options: Options;
  readonly totalSteps: number;
  readonly layout: FlatLayout;
  /** Learning rate and beta1, including warm-up, schedule and momentum decay. */
  readonly schedules: Schedules;
  /** Weight decay per parameter group, for optimizers with decoupled weight decay. */
  readonly weightDecay: WeightDecay;
}

type OptimizerName = OptimizerOptions['type'];

interface OptimizerType<N extends OptimizerName> {
  readonly create: (parts: Parts<Extract<OptimizerOptions, { readonly type: N }>>) => Optimizer;
  /** Unsupported options; see `refusals`. */
  readonly refuses?: readonly (keyof typeof refusals)[];
}

/** Optimizer types by their names in @dm/optim. */
const optimizerTypes: { readonly [N in OptimizerName]: OptimizerType<N> } = {
  adamW: {
    create: ({ options: { betas, eps }, schedules, weightDecay }) =>
      adamW({ ...schedules, beta2: betas[1], eps, weightDecay }),
  },
  adam: {
    create: ({ options: { betas, eps, weightDecay }, schedules }) =>
      adam({ ...schedules, beta2: betas[1], eps, weightDecay }),
    refuses: ['decayGroups'],
  },
  sgd: {
    create: ({ options: { weightDecay, form, nesterov }, schedules: { lr, beta1 } }) =>
      sgd({ lr, momentum: beta1, weightDecay, form, nesterov }),
    refuses: ['decayGroups'],
  },
  lion: {
    create: ({ options: { betas }, schedules, weightDecay }) => lion({ ...schedules, beta2: betas[1], weightDecay }),
  },
  muon: {
    create: ({ options, layout, schedules, totalSteps }) => {
      const { betas, eps, weightDecay, iterations, adjustLr, orthogonalize } = options;
      const own = schedulesOf(ofMatrices(options), totalSteps);
      return muon({
        layout,
        lr: own.lr,
        momentum: own.beta1,
        weightDecay,
        iterations,
        ...(adjustLr !== undefined && { adjustLr }),
        ...(orthogonalize === 'all' && { isHidden: ({ group }) => group === 'matrix' }),
        adam: { ...schedules, beta2: betas[1], eps },
      });
    },
    refuses: ['decayGroups'],
  },
  adEMAMix: {
    create: ({ options: { betas, eps, beta3, alpha, warmupSteps }, schedules: { lr }, weightDecay }) =>
      adEMAMix({ lr, beta1: betas[0], beta2: betas[1], eps, weightDecay, beta3, alpha, warmupSteps }),
    refuses: ['momentumDecay'],
  },
  scheduleFreeAdamW: {
    create: ({ options: { lr, betas, eps, weightDecay, warmup } }) =>
      scheduleFreeAdamW({ lr, beta1: betas[0], beta2: betas[1], eps, weightDecay, warmupSteps: warmup }),
    refuses: ['momentumDecay', 'lrSchedule', 'warmupRule', 'decayGroups'],
  },
};

const refusals = {
  momentumDecay: {
    isAsked: ({ momentumDecay: asked }: OptimizerOptions) => asked !== null,
    message: 'does not support momentum decay: set optimizer.momentumDecay=null',
  },
  lrSchedule: {
    isAsked: ({ lrSchedule }: OptimizerOptions) => lrSchedule.type !== 'constant',
    message: 'does not use a learning rate schedule: set optimizer.lrSchedule=constant',
  },
  warmupRule: {
    isAsked: ({ warmupRule }: OptimizerOptions) => warmupRule === 'diffusers',
    message: 'has its own warm-up: leave optimizer.warmupRule out',
  },
  decayGroups: {
    isAsked: (o: OptimizerOptions) => o.weightDecay > 0 && decayGroups.some((g) => !o.decayGroups.includes(g)),
    message:
      'cannot limit weight decay to some parameter groups: omit optimizer.decayGroups, or set optimizer.weightDecay=0',
  },
} as const;

/**
 * Creates an optimizer.
 *
 * @throws {UserError} if the optimizer does not support an option
 */
export function createOptimizer(given: OptimizerOptions, totalSteps: number, layout: FlatLayout): ScheduledOptimizer {
  const { create } = supported(given);
  const options = withWarmupSteps(given, totalSteps);
  const schedules = schedulesOf(options, totalSteps);
  const { lr, beta1 } = schedules;
  return {
    optimizer: create({ options, totalSteps, layout, schedules, weightDecay: weightDecayOf(options, layout) }),
    lr,
    momentum: typeof beta1 === 'number' ? () => beta1 : beta1,
  };
}

/**
 * The optimizer type of `options`.
 *
 * @throws {UserError} if it does not support an option
 */
function supported(options: OptimizerOptions): OptimizerType<OptimizerName> {
  const type = optimizerTypes[options.type] as OptimizerType<OptimizerName>;
  for (const refused of type.refuses ?? []) {
    if (refusals[refused].isAsked(options)) {
      throw new UserError(`The optimizer ${options.type} ${refusals[refused].message}.`, { code: 'CONFIG_INVALID' });
    }
  }
  return type;
}

/**
 * The learning rate and beta1 (or momentum) at each step of a run: [totalSteps] each, by name. For Muon also the
 * values of its matrices.
 *
 * @throws {UserError} if the optimizer does not support an option, or it has its own schedule
 */
export function optimizerTable(given: OptimizerOptions, totalSteps: number): Readonly<Record<string, Float64Array>> {
  supported(given);
  const options = withWarmupSteps(given, totalSteps);
  if (options.type === 'scheduleFreeAdamW') {
    throw new UserError('The optimizer scheduleFreeAdamW has no schedule that a table could hold.', {
      code: 'CONFIG_INVALID',
    });
  }
  const valuesOf = (value: StepSchedule | number) =>
    Float64Array.from({ length: totalSteps }, (_, step) => (typeof value === 'number' ? value : value(step)));
  const { lr, beta1 } = schedulesOf(options, totalSteps);
  if (options.type !== 'muon') return { lr: valuesOf(lr), beta1: valuesOf(beta1) };
  const matrices = schedulesOf(ofMatrices(options), totalSteps);
  return {
    lr: valuesOf(lr),
    beta1: valuesOf(beta1),
    matrixLr: valuesOf(matrices.lr),
    matrixMomentum: valuesOf(matrices.beta1),
  };
}

/**
 * The options with the warm-up in steps.
 *
 * @throws {UserError} `CONFIG_INVALID` if it is also given as a share
 */
function withWarmupSteps(options: OptimizerOptions, totalSteps: number): OptimizerOptions {
  const { warmup, warmupShare } = options;
  if (warmupShare === undefined) return options;
  if (warmup > 0) {
    throw new UserError(
      `optimizer.warmupShare is ${warmupShare}, but optimizer.warmup is ${warmup} steps: set optimizer.warmup=0, or omit ` +
        'optimizer.warmupShare.',
      { code: 'CONFIG_INVALID' },
    );
  }
  return { ...options, warmup: Math.round(warmupShare * totalSteps) };
}

/** Muon's options with the learning rate and momentum of its matrices. */
function ofMatrices(options: Extract<OptimizerOptions, { readonly type: 'muon' }>): OptimizerOptions {
  return { ...options, lr: options.matrixLr, betas: [options.matrixMomentum, options.betas[1]] };
}

/** Learning rate (warm-up times schedule) and beta1, with momentum decay applied if configured. */
function schedulesOf(options: OptimizerOptions, totalSteps: number): Schedules {
  const { betas, warmup, momentumDecay: decay } = options;
  const lr =
    options.warmupRule === 'diffusers'
      ? afterWarmup(lrOf(options, Math.max(1, totalSteps - warmup)), warmup)
      : withWarmup(lrOf(options, totalSteps), warmup);
  // A momentum of 0 cannot decay.
  if (decay === null || betas[0] === 0) return { lr, beta1: betas[0] };
  const { type: shape, finalBeta = 0, afterWarmup: isDelayed = false, compensate } = decay;
  checkMomentumDecay(options, totalSteps);
  return momentumDecay({
    lr,
    totalSteps,
    b0: betas[0],
    finalBeta,
    shape,
    delaySteps: isDelayed ? warmup : 0,
    compensate,
  });
}

/** @throws {UserError} `CONFIG_INVALID` if the momentum would rise, or has no steps to decay in */
function checkMomentumDecay({ betas, warmup, momentumDecay: decay }: OptimizerOptions, totalSteps: number): void {
  const { finalBeta = 0, afterWarmup: isDelayed = false } = decay!;
  const [problem] = [
    finalBeta > betas[0]
      ? `optimizer.momentumDecay.finalBeta is ${finalBeta}, above the initial momentum ${betas[0]}: lower it, or raise ` +
        'optimizer.betas (for muon also matrixMomentum)'
      : [],
    isDelayed && warmup >= totalSteps
      ? `optimizer.momentumDecay.afterWarmup leaves no steps to decay in: the warm-up has ${warmup} of ${totalSteps} steps. ` +
        'Shorten it, or set optimizer.momentumDecay.afterWarmup=false'
      : [],
  ].flat();
  if (problem !== undefined) throw new UserError(`${problem}.`, { code: 'CONFIG_INVALID' });
}

function lrOf({ lr, lrSchedule }: OptimizerOptions, totalSteps: number): StepSchedule {
  switch (lrSchedule.type) {
    case 'constant':
      return constantLr(lr);
    case 'linear':
      return linearLr({ lr, totalSteps, finalRatio: lrSchedule.finalRatio ?? 0 });
    case 'cosine':
      return cosineLr({ lr, totalSteps, finalRatio: lrSchedule.finalRatio ?? 0 });
    default:
      return inverseSqrtLr({ lr, decaySteps: lrSchedule.decaySteps });
  }
}

function weightDecayOf(options: OptimizerOptions, layout: FlatLayout): WeightDecay {
  if (decayGroups.every((group) => options.decayGroups.includes(group))) return options.weightDecay;
  const present = new Set(layout.entries.map(({ group }) => group));
  const chosen = options.decayGroups.filter((group) => present.has(group));
  return { layout, byGroup: Object.fromEntries(chosen.map((group) => [group, options.weightDecay])) };
}
