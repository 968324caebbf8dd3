/** Which trials are done, and which come next. */
import { analyze, isTooWide, type Analysis, type References } from './analysis.js';
import type { BoundsResult, FloorResult, Results, TrialResult } from './results.js';
import type { Size } from './sizes.js';
import {
  additionalSeeds,
  confirmations,
  finals,
  firstTuning,
  furtherTuning,
  secondary,
  secondTuning,
  trialName,
  tunedRates,
  type Rates,
  type Run,
  type Trial,
} from './trials.js';

/** A part of the plan. Its trials are known once the parts before it are complete. */
export interface Part {
  readonly name: string;
  readonly trials: readonly Trial[];
  readonly done: readonly TrialResult[];
}

export interface Plan {
  /** The parts known so far; all but the last are complete. */
  readonly parts: readonly Part[];
  /** Known once tuning is complete. */
  readonly rates?: Rates;
  readonly next?: Trial;
  /** The unfinished trials of the first incomplete part, in order; they do not depend on each other. */
  readonly pending: readonly Trial[];
}

const isComplete = ({ trials, done }: Part) => trials.length === done.length;

/** E1 of a run; one that diverged, or whose E1 is not finite, is the worst. */
function scoreOf({ points, hasDiverged }: TrialResult): number {
  const e1 = points.at(-1)?.losses['ema']!.geometricMean;
  return !hasDiverged && e1 !== undefined && Number.isFinite(e1) ? e1 : Infinity;
}

const runOf = (result: TrialResult): Run => ({ ...result, e1: scoreOf(result) });

/** What the finals are compared with, as far as it is measured. */
export function referencesOf(results: Results): References {
  const [bounds, floor] = [results.read('bounds') as BoundsResult | undefined, results.read('floor') as FloorResult];
  return { ...(bounds && { bounds }), ...(floor && { floor }) };
}

/** The analysis, and how much of the plan it covers. */
export interface PlannedAnalysis extends Analysis {
  /** Number of seeds of the plan. More may be added once the first are complete. */
  readonly plannedSeeds: number;
  /** Whether finals of the plan are missing. */
  readonly isPreliminary: boolean;
}

/**
 * Analyzes the finals at hand; once the first stage (seeds 101 to 104) is complete, only whole stages: another seed
 * must not change the verdict on its own.
 */
export function analysisOf({ parts }: Plan, size: Size, references: References): PlannedAnalysis {
  const stages = parts.filter(({ trials }) => trials.some(({ stage }) => stage === 'finals'));
  const complete = stages.filter(isComplete);
  const used = complete.length > 0 ? complete : stages;
  return {
    ...analyze(
      used.flatMap(({ done }) => done),
      size,
      references,
    ),
    plannedSeeds: new Set(stages.flatMap(({ trials }) => trials).map(({ seed }) => seed)).size,
    isPreliminary: stages.length === 0 || complete.length < stages.length,
  };
}

/**
 * The parts of the plan so far.
 *
 * @throws {FileError} `FILE_INVALID` if the file of a result is invalid (see `Results`)
 */
export function planOf(size: Size, results: Results): Plan {
  const parts: Part[] = [];
  const add = (name: string, trials: readonly Trial[]): Part => {
    const part = { name, trials, done: trials.flatMap((trial) => results.find(trial) ?? []) };
    parts.push(part);
    return part;
  };
  const pending = () =>
    parts.find((part) => !isComplete(part))?.trials.filter((trial) => results.find(trial) === undefined) ?? [];
  const first = add('tuning at N/4', firstTuning(size));
  const upTo = (extra: object = {}): Plan => {
    const open = pending();
    const [trial] = open;
    return { parts, ...extra, pending: open, ...(trial !== undefined && { next: trial }) };
  };
  if (!isComplete(first)) return upTo();
  const scores = new Map(first.done.map((result) => [result.name, scoreOf(result)]));
  const tried: Trial[] = [];
  let round = secondTuning(size, scores);
  for (let name = 'tuning at N/2'; round.length > 0; name = 'tuning at N/2, beyond the best rate at the edge') {
    const part = add(name, round);
    if (!isComplete(part)) return upTo();
    for (const result of part.done) scores.set(result.name, scoreOf(result));
    tried.push(...round);
    round = furtherTuning(size, tried, scores);
  }
  const runs = [...parts.slice(1).flatMap(({ done }) => done), ...results.interrupted()].map(runOf);
  for (;;) {
    const known = new Set(parts.flatMap(({ trials }) => trials).map(trialName));
    round = confirmations(size, runs).filter((trial) => !known.has(trialName(trial)));
    if (round.length === 0) break;
    const part = add('confirmation of tuned learning rates at N', round);
    if (!isComplete(part)) return upTo();
    runs.push(...part.done.map(runOf));
  }
  const rates = tunedRates(size, runs);
  const four = add('finals', finals(size, rates));
  if (!isComplete(four)) return upTo({ rates });
  if (isTooWide(analyze(four.done, size, referencesOf(results)))) {
    add('finals of more seeds', finals(size, rates, additionalSeeds));
  }
  add('secondary', secondary(size, rates));
  return upTo({ rates });
}

/** One line per part, and the next trial. */
export function statusLines({ parts, rates, next }: Plan): string[] {
  const hours = (results: readonly TrialResult[]) =>
    results.reduce((sum, { seconds }) => sum + seconds.training + seconds.measuring, 0) / 3600;
  return [
    ...parts.map(
      ({ name, trials, done }) => `${name}: ${done.length} of ${trials.length} trials, ${hours(done).toFixed(1)} hours`,
    ),
    ...(rates === undefined ? [] : [`learning rates: ${JSON.stringify(rates)}`]),
    next === undefined ? 'all trials are done' : `next: ${trialName(next)}`,
  ];
}
