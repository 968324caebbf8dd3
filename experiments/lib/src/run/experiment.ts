/** What an experiment is, and how it is run from the command line. */
import type { Scale } from '../recipe/sizes.js';
import type { AnyResult, AnyTrial, Trial } from '../recipe/trial.js';
import type { Conclusion } from '../report/conclusion.js';
import type { StageResults, TrialResult } from '../trial/result.js';

export interface Stage<T extends AnyTrial = Trial, R extends AnyResult = TrialResult> {
  readonly name: string;
  /** In a sentence: what it is for. */
  readonly about: string;
  /** The trials, out of the finished stages before; called when all of those are finished. */
  trials(this: void, scale: Scale, before: Readonly<Record<string, StageResults<R>>>): readonly T[];
}

export interface Experiment<T extends AnyTrial = Trial, R extends AnyResult = TrialResult> {
  readonly name: string;
  /** The claim in a few words, for a table. */
  readonly summary: string;
  /** The claim of the paper, or the question. */
  readonly claim: string;
  /** Added to the notice at the head of the results: what a reader must know before quoting a number of this experiment. */
  readonly notice?: string;
  /** The set-up in plain sentences, for the README. */
  readonly setup: (scale: Scale) => readonly string[];
  readonly stages: readonly Stage<T, R>[];
  conclude(results: Readonly<Record<string, StageResults<R>>>, scale: Scale): Conclusion;
}
