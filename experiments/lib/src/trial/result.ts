/** The committed JSON of a finished run. */
import type { AnyResult, Trial } from '../recipe/trial.js';
import type { SampleQuality } from './sample-quality.js';
import type { Validation } from './validation.js';

/** A metric with the raw weights and with their moving average. */
export interface RawAndEma<V> {
  readonly raw: V;
  readonly ema: V;
}

/** Measurements after `step` optimizer steps. */
export interface Point {
  readonly step: number;
  readonly images: number;
  readonly validation?: RawAndEma<Validation>;
  readonly samples?: RawAndEma<SampleQuality>;
}

/** The result of a finished trial. */
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
  /** Mean weighted loss in each tenth of the run; null if it is not finite. */
  readonly trainingLoss: readonly (number | null)[];
  readonly points: readonly Point[];
  /** The step at which the run ended because of a non-finite loss or parameter. Absent if the run is complete. */
  readonly divergedAt?: number;
  readonly seconds: { readonly training: number; readonly measuring: number };
  readonly from?: string;
  readonly extractor: { readonly name: string; readonly weightsSha256: string };
}

/** The results of a stage, by arm. Unfinished arms have fewer seeds or are missing. */
export type StageResults<R extends AnyResult = TrialResult> = ReadonlyMap<string, readonly R[]>;
