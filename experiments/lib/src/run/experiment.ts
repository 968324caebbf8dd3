/** The parts of an experiment. */
import type { Scale } from '../recipe/sizes.js';
import type { AnyResult, AnyTrial, Trial } from '../recipe/trial.js';
import type { Conclusion } from '../report/conclusion.js';
import type { StageResults, TrialResult } from '../trial/result.js';

export interface Stage<T extends AnyTrial = Trial, R extends AnyResult = TrialResult> {
  readonly name: string;
  /** Its purpose, as one sentence. */
  readonly about: string;
  /** The trials, given the results of all previous stages. Called when those are finished. */
  trials(this: void, scale: Scale, before: Readonly<Record<string, StageResults<R>>>): readonly T[];
}

export interface Experiment<T extends AnyTrial = Trial, R extends AnyResult = TrialResult> {
  readonly name: string;
  /** The claim in a few words, for a table. */
  readonly summary: string;
  /** The claim of the paper, or our own. */
  readonly claim: string;
  /** A limitation of this experiment's numbers, added to the notice at the top of the results, or shown instead of it. */
  readonly notice?: string | { readonly instead: (scale: Scale) => string };
  /** Description of the setup for the README, one string per paragraph. */
  readonly setup: (scale: Scale) => readonly string[];
  readonly stages: readonly Stage<T, R>[];
  conclude(results: Readonly<Record<string, StageResults<R>>>, scale: Scale): Conclusion;
}
