/** An arm's optimizer, made real. */
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

/** Weight decay is 0 everywhere: in runs this short it would only be a second learning rate to tune. */
const weightDecay = 0;

/**
 * @throws {Error} if a choice contradicts itself: momentum decay on an optimizer that is not compared with it
 */
export function createArmOptimizer(
  choice: OptimizerChoice,
  layout: FlatLayout,
  totalSteps: number,
): Pick<TrainingSetup, 'optimizer' | 'lr' | 'momentum'> {
  const { name, lr, decay, momentum, demon, compensate, warmup } = choice;
  if (demon && name !== 'adamW') throw new Error(`Momentum decay is an arm of adamW here, not of ${name}.`);
  if (compensate && !demon) throw new Error('compensate belongs to momentum decay: set demon too.');
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
      // Every matrix, as in all results so far; Muon's authors leave input, output and time layers to Adam.
      const isHidden = ({ group }: FlatLayout['entries'][number]) => group === 'matrix';
      return muon({ layout, lr: rate, momentum, weightDecay, isHidden, adam: { lr: adamLr } });
    }
    case 'adEMAMix':
      // Its slow average grows over the whole run, as in its paper; the paper's 0.9999 is longer than these runs.
      return adEMAMix({ lr: rate, beta1: momentum, beta3: 0.999, warmupSteps: totalSteps, weightDecay });
    case 'scheduleFree':
    default:
      if (decay !== 'constant') throw new Error('Schedule-free AdamW takes no learning-rate decay.');
      return scheduleFreeAdamW({ lr, beta1: momentum, warmupSteps: warmup, weightDecay });
  }
}

function decayed(lr: number, decay: LrDecay, totalSteps: number): StepSchedule {
  if (decay === 'constant') return constantLr(lr);
  if (decay === 'cosine') return cosineLr({ lr, totalSteps });
  return linearLr({ lr, totalSteps, finalRatio: decay.linearTo });
}
