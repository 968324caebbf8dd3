/** Trials and their results as data, and the key by which a finished trial is found again. */
import { createHash } from 'node:crypto';
import type { TrainingRecipe } from './recipe.js';
import type { Size } from './sizes.js';

export interface Arm {
  /** Short and unique in its stage: it names a file. */
  readonly name: string;
  /** What it is, for a reader of the table. */
  readonly about: string;
  readonly recipe: TrainingRecipe;
}

/** One training: an arm of a stage at one seed. */
export interface Trial {
  readonly stage: string;
  readonly arm: Arm;
  readonly size: Size;
  readonly seed: number;
}

/** What the trials of every experiment have, whatever they train. */
export interface AnyTrial {
  readonly stage: string;
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: unknown };
  readonly size: Pick<Size, 'data' | 'trainImages'>;
  readonly seed: number;
}

/** What the results of every experiment have: the JSON that is committed. */
export interface AnyResult {
  /** `trialKey` of the trial. */
  readonly key: string;
  readonly arm: string;
  readonly about: string;
  readonly seed: number;
  readonly seconds: { readonly training: number; readonly measuring: number };
  /** Experiment, stage and file of which this is a copy; absent where it was trained here. */
  readonly from?: string;
}

/** The version of what a trial means: raise it where the same data would be trained or measured otherwise. */
const KEY_VERSION = 1;

/** Fields of recipes that were renamed after results had been committed: keys and files keep the old name. */
const committedNames: Readonly<Record<string, string>> = { lambdaMax: 'lamMax' };

/**
 * First 16 hexadecimal digits of the SHA-256 of all that decides a trial's numbers; a finished trial with another key is
 * done anew.
 */
export function trialKey({ arm, size, seed }: AnyTrial): string {
  const decides = canonical({ meaning: KEY_VERSION, recipe: committedRecipe(arm.recipe), size, seed });
  return createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 16);
}

/** The fields with which every result begins: which trial it is of. */
export function trialFields<T extends AnyTrial>(trial: T) {
  return {
    key: trialKey(trial),
    arm: trial.arm.name,
    about: trial.arm.about,
    seed: trial.seed,
    recipe: committedRecipe(trial.arm.recipe) as T['arm']['recipe'],
    size: trial.size as T['size'],
  };
}

/** A recipe with the field names that committed results have. */
function committedRecipe(recipe: unknown): unknown {
  if (Array.isArray(recipe)) return recipe.map(committedRecipe);
  if (typeof recipe !== 'object' || recipe === null) return recipe;
  return Object.fromEntries(
    Object.entries(recipe).map(([name, value]) => [committedNames[name] ?? name, committedRecipe(value)]),
  );
}

/** Objects with their fields in order, so that equal data have equal text. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}
