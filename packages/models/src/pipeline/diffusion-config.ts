/** How a model was trained to denoise and how images are sampled from it, as plain data. */
import {
  type ContinuousScheduleConfig,
  noiseScheduleFromConfig,
  type NoisePathConfig,
  type NoiseSchedule,
  type NoiseScheduleConfig,
  type PredictionOptions,
  type SamplerConfig,
} from '@dm/core';

interface ZeroTerminalSnr {
  /** Rescale the betas, so that the last timestep is pure noise. Default false. */
  readonly zeroTerminalSnr?: boolean;
}

interface BetaEnds extends ZeroTerminalSnr {
  readonly betaStart?: number;
  readonly betaEnd?: number;
}

export type DiscreteScheduleConfig =
  | ({ readonly type: 'linear' } & BetaEnds)
  | ({ readonly type: 'scaled-linear' } & BetaEnds)
  | ({ readonly type: 'cosine' } & ZeroTerminalSnr)
  | ({ readonly type: 'sigmoid' } & BetaEnds)
  | ({ readonly type: 'betas'; readonly betas: readonly number[] } & ZeroTerminalSnr);

/** What the network predicts, of which noise levels. */
export interface DiffusionConfig {
  readonly schedule: DiscreteScheduleConfig | ContinuousScheduleConfig;
  /** Number of timesteps of a discrete schedule. */
  readonly timesteps: number;
  readonly prediction:
    | { readonly type: 'epsilon' }
    | { readonly type: 'x0' }
    | { readonly type: 'v' }
    | { readonly type: 'flow' }
    | { readonly type: 'edm'; readonly sigmaData?: number };
  /** Whether the network also outputs the variance, in channels C to 2C; null for no. */
  readonly variance: { readonly type: 'learnedRange' } | null;
}

/** Clipping of the predicted x_0 at each step: to [-max, max], or by dynamic thresholding. */
export type ClippingConfig =
  | { readonly type: 'range'; readonly max?: number }
  | { readonly type: 'threshold'; readonly quantile?: number; readonly max?: number };

type Typed<T> = T extends { readonly name: infer Name } ? Omit<T, 'name'> & { readonly type: Name } : never;

/** A sampler of @dm/core by its name in `type`, with its options, and the options of all samplers. */
export type SamplingConfig = Typed<SamplerConfig> & {
  readonly steps: number;
  readonly path: NoisePathConfig;
  readonly clipping: ClippingConfig | null;
  /** Classifier-free guidance scale; 1 for none. */
  readonly guidance: number;
  /** Range of sigma / alpha in which guidance is applied; null for all. */
  readonly guidanceInterval: readonly [low: number, high: number] | null;
};

/** Most sampling steps. The limit keeps a mistyped or hostile number from being allocated. */
export const mostSteps = 100_000;
/** Most timesteps of a noise schedule, for the same reason. */
export const mostTimesteps = 100_000;

/**
 * The schedule with this configuration.
 * @throws {RangeError} if a value is out of range
 */
export function discreteSchedule(schedule: DiscreteScheduleConfig, timesteps: number): NoiseSchedule {
  const { type: name, ...options } = schedule;
  const numTimesteps = name === 'betas' ? {} : { numTimesteps: timesteps };
  return noiseScheduleFromConfig({ name, ...numTimesteps, ...options } as NoiseScheduleConfig);
}

/** The options of a prediction for the functions of @dm/core. */
export function predictionOptionsOf({ prediction }: Pick<DiffusionConfig, 'prediction'>): PredictionOptions {
  const sigmaData = prediction.type === 'edm' ? prediction.sigmaData : undefined;
  return sigmaData === undefined ? {} : { sigmaData };
}

/** How data of floats are scaled for the network: (x - mean) * scale, each [C]. */
export interface LatentScaling {
  readonly mean: readonly number[];
  readonly scale: readonly number[];
}
