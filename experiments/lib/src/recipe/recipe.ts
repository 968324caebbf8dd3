/** How an arm trains its model: plain data, so that it can be hashed, sent to a worker and read in a result. */
import type { WeightedPrediction, TimestepScheduleName, LossWeighting } from '@dm/curriculum';
import type { ModelTypeName } from '@dm/trainer';

/** Noise schedules that the experiments train on. */
export type NoiseScheduleName = 'linear' | 'cosine';

/** Learning rate over the run, from its highest value: as is, linearly down to a share of it, or by a half cosine to 0. */
export type LrDecay = 'constant' | { readonly linearTo: number } | 'cosine';

export interface OptimizerChoice {
  readonly name: 'adamW' | 'lion' | 'muon' | 'adEMAMix' | 'scheduleFree';
  /** Highest learning rate. For Muon that of the matrices; the rest has Adam at `adamLr`. */
  readonly lr: number;
  readonly decay: LrDecay;
  /** Momentum (of AdamW: beta1), at the start. */
  readonly momentum: number;
  /** Lower the momentum to 0 by Demon's rule; with `compensate` the learning rate along with it (MDLRC). */
  readonly demon: boolean;
  readonly compensate: boolean;
  /** Optimizer steps over which the learning rate rises at the start. */
  readonly warmup: number;
  /** Of Muon's Adam. */
  readonly adamLr?: number;
}

/** Part of a run with one batch size. */
export interface BatchPhase {
  /** Share of the run's images, the phases' shares adding up to 1. */
  readonly share: number;
  readonly size: number;
}

/** How a model is trained: everything that an experiment compares. */
export interface TrainingRecipe {
  readonly schedule: NoiseScheduleName;
  readonly curriculum: { readonly name: TimestepScheduleName; readonly params?: Readonly<Record<string, unknown>> };
  readonly weighting: LossWeighting;
  readonly optimizer: OptimizerChoice;
  /** Images after which half of the old average is left; it grows to that with the images seen. */
  readonly emaHalfLife: number;
  /** Largest half-life as a share of the images seen; default 0.05. */
  readonly emaRampUp?: number;
  /** `immiscible`: noise and images of a batch are paired by the least total squared distance, arXiv:2406.12303. */
  readonly coupling: 'independent' | 'immiscible';
  readonly batch: readonly BatchPhase[];
  /** What the network predicts; default epsilon. */
  readonly prediction?: WeightedPrediction;
  /** The model, without what follows from the data; default the size's UNet. */
  readonly model?: { readonly type: ModelTypeName; readonly config: Readonly<Record<string, unknown>> };
}

/** DDPM's training: uniform timesteps, plain MSE, AdamW at a constant learning rate. What experiments vary. */
export const baseline: TrainingRecipe = {
  schedule: 'linear',
  curriculum: { name: 'uniform' },
  weighting: { name: 'constant' },
  optimizer: {
    name: 'adamW',
    lr: 1e-2,
    decay: 'constant',
    momentum: 0.9,
    demon: false,
    compensate: false,
    warmup: 50,
  },
  emaHalfLife: 2000,
  coupling: 'independent',
  batch: [{ share: 1, size: 32 }],
};

/** The baseline with some parts changed. */
export function recipe(
  changes: Partial<Omit<TrainingRecipe, 'optimizer'>> & { readonly optimizer?: Partial<OptimizerChoice> } = {},
  base: TrainingRecipe = baseline,
): TrainingRecipe {
  return { ...base, ...changes, optimizer: { ...base.optimizer, ...changes.optimizer } };
}
