/** Selection of classes for sampling, by number or by the names saved with a run. */
import type { Config } from '../config/schema.js';
import { isObject } from '../config/json.js';
import { suggestion } from '../config/suggestion.js';
import { UserError } from '../errors.js';
import type { Denoiser } from '../setup/denoiser.js';

/** A class by its number or name, or several; a string may be a comma-separated list: `cats,dogs`. */
export type ClassChoice = number | string | readonly (number | string)[];

/** Class names of the run's data, as recorded by the run; undefined unless there is one for each class of the model. */
export function classNames({ recorded }: Pick<Config, 'recorded'>, classes: number): readonly string[] | undefined {
  const data = recorded?.['data'];
  const names: unknown = isObject(data) ? data['classes'] : undefined;
  const isList = Array.isArray(names) && names.length === classes && classes > 0;
  return isList && names.every((name) => typeof name === 'string') ? names : undefined;
}

/**
 * The numbers of the chosen classes, in the given order. Digits are always a class number, never a name.
 *
 * @throws {UserError} `CLASS_UNKNOWN` if a class does not exist or the model is unconditional
 */
export function chosenClasses(
  { classes, config }: Pick<Denoiser, 'classes' | 'config'>,
  choice: ClassChoice,
): readonly number[] {
  const names = classNames(config, classes);
  const whole = typeof choice === 'string' && names?.includes(choice) === true;
  const parts = typeof choice === 'string' ? (whole ? [choice] : choice.split(',')) : [choice].flat();
  return parts.map((part) => {
    if (classes === 0) {
      throw new UserError(`--label ${part}: the model is unconditional, so it has no classes to choose from.`, {
        code: 'CLASS_UNKNOWN',
      });
    }
    const text = String(part).trim();
    const number = /^\d+$/.test(text) ? Number(text) : (names?.indexOf(text) ?? -1);
    if (number >= 0 && number < classes) return number;
    throw new UserError(`--label ${text}: unknown class. ${knownClasses(text, classes, names)}`, {
      code: 'CLASS_UNKNOWN',
    });
  });
}

/** Maximum number of classes listed in a message. */
const listed = 20;

function knownClasses(text: string, classes: number, names: readonly string[] | undefined): string {
  const numbers = `Classes are numbered from 0 to ${classes - 1}`;
  // The names of some data sets are the numbers themselves.
  if (names === undefined || names.every((name, i) => name === String(i))) return `${numbers}.`;
  if (names.length > listed) return `${numbers}. ${suggestion(text, names.slice(0, listed))}`;
  return `${numbers}: ${names.map((name, i) => `${i} ${name}`).join(', ')}.`;
}

/** The class of each of `count` images, cycling through the chosen ones (default: all); undefined without classes. */
export function imageLabels(
  { classes, model }: Pick<Denoiser, 'classes' | 'model'>,
  count: number,
  chosen?: readonly number[],
): Int32Array | undefined {
  if (model.numClasses === 0) return undefined;
  return Int32Array.from({ length: count }, (_, i) => (chosen ? chosen[i % chosen.length]! : i % classes));
}

/** Images of one class. */
export interface ClassCount {
  readonly label: number;
  readonly name: string;
  readonly images: number;
}

/** Number of images of each class, in order of class number. The name of a class defaults to its number. */
export function classCounts(labels: Int32Array, names: readonly string[] | undefined): ClassCount[] {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts]
    .toSorted(([a], [b]) => a - b)
    .map(([label, images]) => ({ label, name: names?.[label] ?? String(label), images }));
}
