/** What a finished training leaves: the JSON that is committed. */
import type { AnyResult, Trial } from '../recipe/trial.js';
import type { SampleQuality } from './sample-quality.js';
import type { Validation } from './validation.js';

/** Two values of one metric: with the weights as trained, and with their average. */
export interface RawAndEma<V> {
  readonly raw: V;
  readonly ema: V;
}

/** What was measured after `step` optimizer steps. */
export interface Point {
  readonly step: number;
  readonly images: number;
  readonly validation?: RawAndEma<Validation>;
  readonly samples?: RawAndEma<SampleQuality>;
}

/** A finished trial: the JSON that is committed. */
export interface TrialResult {
  readonly key: string;
  readonly stage: string;
  readonly arm: string;
  readonly about: string;
  readonly seed: number;
  readonly recipe: Trial['arm']['recipe'];
  readonly size: Trial['size'];
  readonly steps: number;
  readonly parameters: number;
  /** Mean weighted loss of a tenth of the run each; null from where the loss was no number. */
  readonly trainingLoss: readonly (number | null)[];
  readonly points: readonly Point[];
  /** Steps at which the loss or the parameters were no numbers: the run ended there. Absent where it was sound. */
  readonly divergedAt?: number;
  /** Mean cosine of the parameters' displacements, where `pathEvery` asks for it: first half of the run, second half. */
  readonly pathCosines?: readonly (readonly number[])[];
  readonly seconds: { readonly training: number; readonly measuring: number };
  readonly from?: string;
  readonly extractor: { readonly name: string; readonly weightsSha256: string };
}

/** The results of a stage, by arm; an arm that is not finished has fewer seeds or is missing. */
export type StageResults<R extends AnyResult = TrialResult> = ReadonlyMap<string, readonly R[]>;
