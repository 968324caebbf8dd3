/** Trials and their results as data, and the key that identifies a finished trial. */
import { createHash } from 'node:crypto';
import type { Provenance } from '../run/provenance.js';
import type { TrainingRecipe } from './recipe.js';
import type { Size } from './sizes.js';

export interface Arm {
  /** Short name, unique in its stage and used in file names. */
  readonly name: string;
  /** Description for tables. */
  readonly about: string;
  readonly recipe: TrainingRecipe;
}

/** One run: an arm of a stage with one seed. */
export interface Trial {
  readonly stage: string;
  readonly arm: Arm;
  readonly size: Size;
  readonly seed: number;
}

/** Fields that the trials of all experiments have, whatever they train. */
export interface AnyTrial {
  readonly stage: string;
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: unknown };
  readonly size: Pick<Size, 'data' | 'trainImages'>;
  readonly seed: number;
}

/** Fields that the results of all experiments have. */
export interface AnyResult {
  /** `trialKey` of the trial. */
  readonly key: string;
  readonly arm: string;
  readonly about: string;
  readonly seed: number;
  readonly seconds: { readonly training: number; readonly measuring: number };
  /** What trained it; absent in older results. */
  readonly provenance?: Provenance;
  /** Experiment, stage, and file from which this result was copied; absent if it was trained here. */
  readonly from?: string;
}

/** Increment if the same trial would be trained or measured differently. */
const KEY_VERSION = 1;

/** Recipe fields that were renamed after results had been committed. Keys and files use the old names. */
const committedNames: Readonly<Record<string, string>> = { lambdaMax: 'lamMax' };

/**
 * The first 16 hexadecimal digits of the SHA-256 of everything that affects a trial's numbers. A trial is repeated if
 * its key has changed.
 */
export function trialKey({ arm, size, seed }: AnyTrial): string {
  const decides = canonical({ meaning: KEY_VERSION, recipe: committedRecipe(arm.recipe), size, seed });
  return createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 16);
}

/** The first fields of every result, which identify its trial. */
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

/** A recipe with the field names of committed results. */
function committedRecipe(recipe: unknown): unknown {
  if (Array.isArray(recipe)) return recipe.map(committedRecipe);
  if (typeof recipe !== 'object' || recipe === null) return recipe;
  return Object.fromEntries(
    Object.entries(recipe).map(([name, value]) => [committedNames[name] ?? name, committedRecipe(value)]),
  );
}

/** Sorts the fields of objects, so that equal data has equal JSON. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}
