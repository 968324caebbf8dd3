/** The arms of `momentum`: ablations of MDLRC, and other optimizers. */
import { batchSize, recipe, type Arm, type OptimizerChoice, type Scale } from '@dm/experiments';

/** An optimizer to try at several learning rates. */
export interface Candidate {
  readonly name: string;
  readonly about: string;
  readonly optimizer: Partial<OptimizerChoice>;
  readonly lrs: readonly number[];
}

const adamLrs = [1e-3, 3e-3, 1e-2, 2e-2];

/**
 * MDLRC combines Demon for beta1 with a linear learning-rate decay. The ablations are each of them alone, and other
 * decays.
 */
export const ablations: readonly Candidate[] = [
  { name: 'constant', about: 'constant lr, constant beta1 .9 (baseline)', optimizer: {}, lrs: adamLrs },
  {
    name: 'linear-10',
    about: 'lr linear to 10%, constant beta1',
    optimizer: { decay: { linearTo: 0.1 } },
    lrs: adamLrs,
  },
  { name: 'demon', about: 'constant lr, beta1 by Demon', optimizer: { demon: true }, lrs: adamLrs },
  {
    name: 'mdlrc',
    about: 'Demon with compensation: lr linear to 10%',
    optimizer: { demon: true, compensate: true },
    lrs: adamLrs,
  },
  { name: 'linear-0', about: 'lr linear to 0, constant beta1', optimizer: { decay: { linearTo: 0 } }, lrs: adamLrs },
  { name: 'cosine', about: 'lr cosine to 0, constant beta1', optimizer: { decay: 'cosine' }, lrs: adamLrs },
];

/** Other optimizers, with a cosine decay if they support one. */
export const rivals: readonly Candidate[] = [
  {
    name: 'lion',
    about: 'Lion, cosine lr',
    optimizer: { name: 'lion', decay: 'cosine' },
    lrs: [1e-4, 3e-4, 1e-3, 3e-3],
  },
  {
    name: 'muon',
    about: 'Muon on matrices and kernels, Adam (lr 3e-3) on the rest, cosine lr',
    optimizer: { name: 'muon', decay: 'cosine', momentum: 0.95, adamLr: 3e-3 },
    lrs: [3e-3, 1e-2, 3e-2, 1e-1],
  },
  {
    name: 'ademamix',
    about: 'AdEMAMix (beta3 .999), cosine lr',
    optimizer: { name: 'adEMAMix', decay: 'cosine' },
    lrs: adamLrs,
  },
  {
    name: 'schedule-free',
    about: 'schedule-free AdamW; its average x in place of EMA',
    optimizer: { name: 'scheduleFree' },
    lrs: [3e-3, 1e-2, 3e-2, 1e-1],
  },
];

export function armAt(candidate: Candidate, lr: number, scale: Scale, name = candidate.name): Arm {
  return {
    name,
    about: `${candidate.about}, lr ${lr}`,
    recipe: recipe({ optimizer: { ...candidate.optimizer, lr }, batch: [{ share: 1, size: batchSize[scale] }] }),
  };
}

/** One arm per learning rate of the candidate. */
export function grid(candidate: Candidate, scale: Scale): Arm[] {
  return candidate.lrs.map((lr) => armAt(candidate, lr, scale, `${candidate.name}-lr${lr}`));
}
