/** Training recipes. They are plain data, so that they can be hashed, sent to a worker, and stored in a result. */
import type { WeightedPrediction, TimestepScheduleName, LossWeighting } from '@dm/curriculum';
import type { ModelTypeName, PartialConfig } from '@dm/trainer';

/** Noise schedules used in the experiments; `flow` is rectified flow in continuous time, with prediction `flow`. */
export type NoiseScheduleName = 'linear' | 'cosine' | 'flow';

/** Learning-rate decay: none, linear to a fraction of the initial value, or half a cosine to 0. */
export type LrDecay = 'constant' | { readonly linearTo: number } | 'cosine';

export interface OptimizerChoice {
  readonly name: 'adamW' | 'lion' | 'muon' | 'adEMAMix' | 'scheduleFree';
  /** Peak learning rate. For Muon it applies to matrices, and `adamLr` to all other parameters. */
  readonly lr: number;
  readonly decay: LrDecay;
  /** Initial momentum (beta1 for AdamW). */
  readonly momentum: number;
  /** Decay the momentum to 0 by Demon's rule; `compensate` also decays the learning rate (MDLRC). */
  readonly demon: boolean;
  readonly compensate: boolean;
  /** Warm-up of the learning rate, in optimizer steps. */
  readonly warmup: number;
  /** Learning rate of the parameters that Muon trains with Adam. Default: `lr`. */
  readonly adamLr?: number;
}

/** Part of a run with a fixed batch size. */
export interface BatchPhase {
  /** Fraction of the run's images. The fractions of all phases add up to 1. */
  readonly share: number;
  readonly size: number;
}

/** How a model is trained: everything that differs between arms. */
export interface TrainingRecipe {
  readonly schedule: NoiseScheduleName;
  readonly curriculum: { readonly name: TimestepScheduleName; readonly params?: Readonly<Record<string, unknown>> };
  readonly weighting: LossWeighting;
  readonly optimizer: OptimizerChoice;
  /** Half-life of the EMA in images. It increases to this value early in the run, see `emaRampUp`. */
  readonly emaHalfLife: number;
  /** Upper bound of the half-life as a fraction of the images seen. Default: 0.05. */
  readonly emaRampUp?: number;
  /** `immiscible`: pair images and noise of a batch to minimize their total squared distance, arXiv:2406.12303. */
  readonly coupling: 'independent' | 'immiscible';
  readonly batch: readonly BatchPhase[];
  /** Prediction target of the network. Default: epsilon. */
  readonly prediction?: WeightedPrediction;
  /** The model, without fields that depend on the data. Default: the UNet of `Size`. */
  readonly model?: { readonly type: ModelTypeName; readonly config: Readonly<Record<string, unknown>> };
  /** How timesteps and noise are drawn. Default: the trainer's, independently. */
  readonly draws?: Pick<PartialConfig, 'timestepDraws' | 'noiseCandidates'>;
}

/** The baseline, similar to DDPM: uniform timesteps, unweighted MSE, AdamW with a constant learning rate. */
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

/** `base` with some fields changed. Optimizer fields are merged. */
export function recipe(
  changes: Partial<Omit<TrainingRecipe, 'optimizer'>> & { readonly optimizer?: Partial<OptimizerChoice> } = {},
  base: TrainingRecipe = baseline,
): TrainingRecipe {
  return { ...base, ...changes, optimizer: { ...base.optimizer, ...changes.optimizer } };
}
