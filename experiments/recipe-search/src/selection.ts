/** The rules of the search, set before it: best learning rates, helpful changes, finalists. */
import { bestRate, finalLoss, type BestRate, type CurveResult, type Scale, type StageResults } from '@dm/experiments';
import { BASELINE, changes, families, type Change, type Family } from './recipes.js';
import { searchTrial, type SearchTrial } from './trial.js';

export type Before = Readonly<Record<string, StageResults<CurveResult>>>;

/** Number of helpful changes to combine. */
const COMBINED = 3;

export interface TunedFamily extends BestRate {
  readonly family: Family;
}

/** The best learning rate of each family among all that were tried without changes. */
export function tunedFamilies({ rates, edges }: Before): TunedFamily[] {
  const all = [...(rates?.values() ?? []), ...(edges?.values() ?? [])].flat();
  return families.flatMap((family) => {
    const best = bestRate(all.filter(({ arm }) => arm.startsWith(`${family.name}-lr`)));
    return best === undefined ? [] : [{ family, ...best }];
  });
}

/** Two more octaves beyond the edge, for families whose best learning rate is there. */
export function edgeTrials(scale: Scale, before: Before): SearchTrial[] {
  return tunedFamilies({ rates: before['rates']! }).flatMap(({ family, beyond }) =>
    beyond.map((lr) => searchTrial('edges', scale, family, lr)),
  );
}

/**
 * Lower learning rates for the baseline, on a longer run: its curve reaches eight times the length of the search, and the
 * best constant learning rate falls with the length.
 */
export function baselineRateTrials(scale: Scale, before: Before): SearchTrial[] {
  const { family, lr } = tunedFamilies(before).find((one) => one.family.name === BASELINE)!;
  return [1, 2, 4].map((divisor) => searchTrial('baseline', scale, family, lr / divisor));
}

/** The learning rate of the baseline with the lowest loss on the longer run. */
export function baselineRate({ baseline }: Before): number {
  return bestRate([...(baseline?.values() ?? [])].flat())!.lr;
}

/** The family with the lowest loss. */
export function bestFamily(before: Before): TunedFamily {
  return tunedFamilies(before).reduce((a, b) => (b.loss < a.loss ? b : a));
}

export interface TriedChange {
  readonly change: Change;
  /** Loss / loss of the best family without changes. */
  readonly ratio: number;
}

/** Each change with the best family, best first. */
export function triedChanges(scale: Scale, before: Before): TriedChange[] {
  const { family, lr, loss } = bestFamily(before);
  return changes
    .flatMap((change): TriedChange[] => {
      const [result] = before['changes']?.get(searchTrial('changes', scale, family, lr, [change]).arm.name) ?? [];
      return result === undefined ? [] : [{ change, ratio: finalLoss(result) / loss }];
    })
    .toSorted((a, b) => a.ratio - b.ratio);
}

/**
 * The changes that help, best first: at most three, of different parts, that set different fields of the recipe. (x0 with
 * the loss on v, for instance, sets the weights.)
 */
export function helpfulChanges(scale: Scale, before: Before): Change[] {
  const chosen: Change[] = [];
  for (const { change, ratio } of triedChanges(scale, before)) {
    const fields = (one: Change) => ['part ' + one.part, ...Object.keys(one.changes)];
    const isFree = chosen.every((other) => !fields(other).some((field) => fields(change).includes(field)));
    if (ratio < 1 && isFree && chosen.length < COMBINED) chosen.push(change);
  }
  return chosen;
}

/** Sets of changes that are tried together: pairs, and all three. */
export function combinations(scale: Scale, before: Before): Change[][] {
  const helpful = helpfulChanges(scale, before);
  const pairs = helpful.flatMap((a, i) => helpful.slice(i + 1).map((b) => [a, b]));
  return helpful.length > 2 ? [...pairs, helpful] : pairs;
}

/** A set of changes with the best family. */
export interface Winner {
  readonly family: Family;
  readonly lr: number;
  readonly changes: readonly Change[];
  readonly loss: number;
}

/** The best family without changes, and with each set that was tried. */
function tried(scale: Scale, before: Before): Winner[] {
  const { family, lr, loss } = bestFamily(before);
  const sets: readonly (readonly Change[])[] = [...changes.map((change) => [change]), ...combinations(scale, before)];
  return [
    { family, lr, changes: [], loss },
    ...sets.flatMap((set) => {
      const { name } = searchTrial('together', scale, family, lr, set).arm;
      const result = before['together']?.get(name)?.[0] ?? before['changes']?.get(name)?.[0];
      return result === undefined ? [] : [{ family, lr, changes: set, loss: finalLoss(result) }];
    }),
  ];
}

/** The set of changes with the lowest loss. */
export function winner(scale: Scale, before: Before): Winner {
  return tried(scale, before).reduce((a, b) => (b.loss < a.loss ? b : a));
}
