/** What an arm of an experiment is: plain data, so that it can be hashed, sent to a worker and read in a result. */
import { createHash } from 'node:crypto';
import type { ScheduleName, WeightRule } from '@dm/curriculum';
import type { Config } from '@dm/trainer';

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
  readonly curriculum: { readonly name: ScheduleName; readonly params?: Readonly<Record<string, unknown>> };
  readonly weighting: WeightRule;
  readonly optimizer: OptimizerChoice;
  /** Images after which half of the old average is left; it grows to that with the images seen. */
  readonly emaHalfLife: number;
  /** Largest half-life as a share of the images seen; default 0.05. */
  readonly emaRampUp?: number;
  /** `immiscible`: noise and images of a batch are paired by the least total squared distance, arXiv:2406.12303. */
  readonly coupling: 'independent' | 'immiscible';
  readonly batch: readonly BatchPhase[];
  /** What the network predicts; default epsilon. */
  readonly prediction?: Config['diffusion']['prediction'];
  /** The model, without what follows from the data; default the size's UNet. */
  readonly model?: Config['model'];
}

/** How large the run is and how it is measured: the same for all arms of a stage. */
export interface Size {
  /** `mnist-12`: MNIST at 12x12. `cifar10` must have been fetched: `dm data fetch cifar10`. */
  readonly data: 'mnist-12' | 'cifar10';
  /** Training images, of which the first so many are used. */
  readonly trainImages: number;
  /** The UNet, by the fields of diffusers' UNet2DModel; image size and channels are those of the data. */
  readonly unet: Readonly<Record<string, unknown>>;
  /** Images seen in training. */
  readonly images: number;
  /** Validations, evenly spaced, the last one at the end. */
  readonly validations: number;
  /** Held-out images of a validation, each at one fixed noise and timestep. */
  readonly validationImages: number;
  /** Evaluations of samples, evenly spaced, the last one at the end. */
  readonly sampleEvaluations: number;
  /** Samples of an evaluation. */
  readonly samples: number;
  /** DDIM steps to a sample. */
  readonly samplerSteps: number;
  /** Steps between readings of the parameters for the direction of the path; 0: none. */
  readonly pathEvery: number;
}

export interface Arm {
  /** Short and unique in its stage: it names a file. */
  readonly name: string;
  /** What it is, for a reader of the table. */
  readonly about: string;
  readonly recipe: TrainingRecipe;
}

/** One training: an arm of a stage at one seed. */
export interface Trial {
  readonly stage: string;
  readonly arm: Arm;
  readonly size: Size;
  readonly seed: number;
}

/** What the trials of every experiment have, whatever they train. */
export interface AnyTrial {
  readonly stage: string;
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: unknown };
  readonly size: Pick<Size, 'data' | 'trainImages'>;
  readonly seed: number;
}

/** What the results of every experiment have: the JSON that is committed. */
export interface AnyResult {
  /** `trialKey` of the trial. */
  readonly key: string;
  readonly arm: string;
  readonly about: string;
  readonly seed: number;
  readonly seconds: { readonly training: number; readonly measuring: number };
  /** Experiment, stage and file of which this is a copy; absent where it was trained here. */
  readonly from?: string;
}

/** The version of what a trial means: raise it where the same data would be trained or measured otherwise. */
const MEANING = 1;

/** SHA-256 of all that decides a trial's numbers; a finished trial with another key is done anew. */
export function trialKey({ arm, size, seed }: AnyTrial): string {
  const decides = canonical({ meaning: MEANING, recipe: arm.recipe, size, seed });
  return createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 16);
}

/** The fields with which every result begins: which trial it is of. */
export function trialFields<T extends AnyTrial>(trial: T) {
  return {
    key: trialKey(trial),
    arm: trial.arm.name,
    about: trial.arm.about,
    seed: trial.seed,
    recipe: trial.arm.recipe as T['arm']['recipe'],
    size: trial.size as T['size'],
  };
}

/** Objects with their fields in order, so that equal data have equal text. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
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
