/**
 * Rules for selecting combinations, finalists, and the winner. They were set after the search and before the finals.
 */
import {
  finalInterval,
  finalValue,
  type Arm,
  type StepsToTarget,
  type Scale,
  type StageResults,
} from '@dm/experiments';
import { singleChanges, combinationArms, type Change } from './arms.js';

/** Number of changes to combine. */
const COMBINED = 3;

/**
 * Lower is better. `balanced` is FD-classifier x validation loss, so that neither is improved at the cost of the other.
 */
const scores = ['fd', 'balanced'] as const;
type Score = (typeof scores)[number];

function scoreOf(results: StageResults, name: string, by: Score): number {
  const [first] = results.get(name) ?? [];
  const fd = first && finalValue(first, 'fd', 'ema');
  const validation = first && finalValue(first, 'validation', 'ema');
  if (fd === undefined || validation === undefined) return Infinity;
  return by === 'fd' ? fd : fd * validation;
}

/** The three best changes of different parts that improve on the start of the search, best first. */
function helpfulChanges(scale: Scale, search: StageResults, by: Score): Change[] {
  const all = singleChanges(scale);
  const of = ({ name }: Change) => scoreOf(search, name, by);
  const leaders = [...new Set(all.map(({ part }) => part))].map((part) =>
    all.filter((change) => change.part === part).reduce((a, b) => (of(b) < of(a) ? b : a)),
  );
  const startScore = scoreOf(search, 'muon', by);
  return leaders
    .filter((change) => of(change) < startScore)
    .toSorted((a, b) => of(a) - of(b))
    .slice(0, COMBINED);
}

/** Combinations of the best changes by either score, in pairs and all together. */
export function combinations(scale: Scale, search: StageResults): Arm[] {
  const arms = scores.flatMap((by) => combinationArms(scale, helpfulChanges(scale, search, by)));
  return arms.filter(({ name }, i) => arms.findIndex((arm) => arm.name === name) === i);
}

/** The best arm by each score. */
export function finalists(arms: readonly Arm[], searched: StageResults): Arm[] {
  const lowest = (by: Score) =>
    arms.reduce((a, b) => (scoreOf(searched, b.name, by) < scoreOf(searched, a.name, by) ? b : a));
  return [...new Set(scores.map(lowest))];
}

/**
 * The arm with the largest speed-up to the baseline's FD-classifier, among the arms whose seeds all reach the
 * baseline's FD-classifier and validation loss at full length (EMA weights, compared with the baseline's mean).
 * Undefined if no arm qualifies, or if several do and none of them has short runs yet.
 */
export function winningArm(
  final: StageResults,
  found: Readonly<Record<string, Readonly<Record<string, StepsToTarget>>>>,
): string | undefined {
  const limits = (['fd', 'validation'] as const).map((metric) => ({
    metric,
    most: finalInterval(final.get('baseline') ?? [], metric, 'ema')?.mean ?? -Infinity,
  }));
  const sound = [...final]
    .filter(([name]) => name !== 'baseline')
    .filter(([, trials]) =>
      trials.every((trial) =>
        limits.every(({ metric, most }) => (finalValue(trial, metric, 'ema') ?? Infinity) <= most),
      ),
    )
    .map(([name]) => name);
  const speed = (name: string) => found[name]?.['fd ema']?.speedup?.mean ?? 0;
  const timed = sound.filter((name) => speed(name) > 0);
  return sound.length === 1 ? sound[0] : timed.toSorted((a, b) => speed(b) - speed(a))[0];
}
