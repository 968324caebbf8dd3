/** What an experiment is, and how it is run from the command line. */
import type { AnyResult, AnyTrial, Trial } from './arm.js';
import type { Figure } from './figure.js';
import type { Picture } from './picture.js';
import type { TrialResult } from './run-trial.js';

/** smoke: it works, in seconds. laptop: the result, on two cores. full: the paper's scale, for a GPU. */
export const scales = ['smoke', 'laptop', 'full'] as const;
export type Scale = (typeof scales)[number];

/** Cells are text, or numbers that the README rounds. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What the numbers say of the claim. */
export interface Conclusion {
  readonly verdict: 'holds' | 'does not hold' | 'depends' | 'open';
  /** The number that a summary of all experiments quotes, with its name; without it the first sentence is quoted. */
  readonly key?: string;
  /** Plain sentences with numbers; the first one alone must be true and enough. */
  readonly sentences: readonly string[];
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  /** Images themselves. */
  readonly pictures?: readonly Picture[];
  /** Numbers for machines: whatever the tables say, unrounded. */
  readonly numbers: Readonly<Record<string, unknown>>;
}

/** The results of a stage, by arm; an arm that is not finished has fewer seeds or is missing. */
export type StageResults<R extends AnyResult = TrialResult> = ReadonlyMap<string, readonly R[]>;

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
  readonly inShort: string;
  /** The claim of the paper, or the question. */
  readonly claim: string;
  /** The set-up in plain sentences, for the README. */
  readonly setup: (scale: Scale) => readonly string[];
  readonly stages: readonly Stage<T, R>[];
  conclude(results: Readonly<Record<string, StageResults<R>>>, scale: Scale): Conclusion;
}
