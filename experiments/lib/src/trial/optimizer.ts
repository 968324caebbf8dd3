/** Creates the optimizer of an arm. */
import type { FlatLayout } from '@dm/ops';
import {
  adamW,
  adEMAMix,
  constantLr,
  cosineLr,
  linearLr,
  lion,
  momentumDecay,
  muon,
  scheduleFreeAdamW,
  withWarmup,
  type Optimizer,
  type StepSchedule,
} from '@dm/optim';
import type { TrainingSetup } from '@dm/trainer';
import type { LrDecay, OptimizerChoice } from '../recipe/recipe.js';

/** Runs are too short for weight decay to matter, and it would be another hyperparameter to tune. */
const weightDecay = 0;

/**
 * The optimizer of an arm, with its schedules of learning rate and momentum.
 * @throws {Error} if options cannot be combined, such as momentum decay with an optimizer other than AdamW
 */
export function createArmOptimizer(
  choice: OptimizerChoice,
  layout: FlatLayout,
  totalSteps: number,
): Pick<TrainingSetup, 'optimizer' | 'lr' | 'momentum'> {
  const { name, lr, decay, momentum, demon, compensate, warmup } = choice;
  if (demon && name !== 'adamW') throw new Error(`\`demon\` is supported only by adamW, not by ${name}.`);
  if (compensate && !demon) throw new Error('`compensate` requires `demon`.');
  const rate = withWarmup(decayed(lr, decay, totalSteps), warmup);
  const scheduled = demon
    ? momentumDecay({ lr: rate, totalSteps, b0: momentum, compensate })
    : { lr: rate, beta1: () => momentum };
  return {
    optimizer: makeOptimizer(choice, scheduled, layout, totalSteps),
    lr: scheduled.lr,
    momentum: scheduled.beta1,
  };
}

function makeOptimizer(
  choice: OptimizerChoice,
  { lr: rate, beta1 }: { readonly lr: StepSchedule; readonly beta1: StepSchedule },
  layout: FlatLayout,
  totalSteps: number,
): Optimizer {
  const { name, lr, decay, momentum, warmup } = choice;
  switch (name) {
    case 'adamW':
      return adamW({ lr: rate, beta1, weightDecay });
    case 'lion':
      return lion({ lr: rate, beta1: momentum, weightDecay });
    case 'muon': {
      const adamLr = withWarmup(decayed(choice.adamLr ?? lr, decay, totalSteps), warmup);
      // All committed results use Muon for every matrix. Its authors use Adam for input, output, and time layers.
      const isHidden = ({ group }: FlatLayout['entries'][number]) => group === 'matrix';
      return muon({ layout, lr: rate, momentum, weightDecay, isHidden, adam: { lr: adamLr } });
    }
    case 'adEMAMix':
      // beta3 warms up over the whole run, as in the paper; the paper's 0.9999 averages over more steps than these runs
      // have.
      return adEMAMix({ lr: rate, beta1: momentum, beta3: 0.999, warmupSteps: totalSteps, weightDecay });
    case 'scheduleFree':
    default:
      if (decay !== 'constant')
        throw new Error('scheduleFree does not support a learning-rate decay: set `decay` to constant.');
      return scheduleFreeAdamW({ lr, beta1: momentum, warmupSteps: warmup, weightDecay });
  }
}

function decayed(lr: number, decay: LrDecay, totalSteps: number): StepSchedule {
  if (decay === 'constant') return constantLr(lr);
  if (decay === 'cosine') return cosineLr({ lr, totalSteps });
  return linearLr({ lr, totalSteps, finalRatio: decay.linearTo });
}
