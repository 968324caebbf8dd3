/** Which changes are put together, which recipes go on, and which one wins: rules made after the search of one seed, before the finals. */
import {
  finalInterval,
  finalValue,
  type Arm,
  type StepsToTarget,
  type Scale,
  type StageResults,
} from '@dm/experiments';
import { singleChanges, combinationArms, type Change } from './arms.js';

/** Changes that are put together. */
const COMBINED = 3;

/** Lower is better. `balanced`: the product of both, so that neither is bought with the other. */
const scores = ['fd', 'balanced'] as const;
type Score = (typeof scores)[number];

function scoreOf(results: StageResults, name: string, by: Score): number {
  const [first] = results.get(name) ?? [];
  const fd = first && finalValue(first, 'fd', 'ema');
  const validation = first && finalValue(first, 'validation', 'ema');
  if (fd === undefined || validation === undefined) return Infinity;
  return by === 'fd' ? fd : fd * validation;
}

/** Of each part the change with the lowest score, where that is lower than the start's: the best three, best first. */
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

/** What helped most by either score, put together in pairs and all at once. */
export function combinations(scale: Scale, search: StageResults): Arm[] {
  const arms = scores.flatMap((by) => combinationArms(scale, helpfulChanges(scale, search, by)));
  return arms.filter(({ name }, i) => arms.findIndex((arm) => arm.name === name) === i);
}

/** The arm with the lowest FD-classifier, and that with the lowest product of it and the validation loss. */
export function finalists(arms: readonly Arm[], searched: StageResults): Arm[] {
  const lowest = (by: Score) =>
    arms.reduce((a, b) => (scoreOf(searched, b.name, by) < scoreOf(searched, a.name, by) ? b : a));
  return [...new Set(scores.map(lowest))];
}

/**
 * The arm that ends with the baseline's FD-classifier soonest, among those of which every seed ends at full length with no
 * more than the baseline's FD-classifier and validation loss (EMA weights, the baseline's mean). Undefined where none
 * does, and where several do that were not trained in fewer images yet.
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
