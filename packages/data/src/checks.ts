import { DataError } from './errors.js';

const MAX_CLASSES = 100_000;
/** Limits of values shown in errors: list items, characters. */
const [SHOWN_ITEMS, SHOWN_TEXT] = [8, 80];

/**
 * H * W * C.
 * @throws {DataError} if one of them is not a positive integer
 */
export function imageBytes(name: string, shape: readonly number[]): number {
  if (shape.length !== 3 || shape.some((side) => !Number.isInteger(side) || side < 1)) {
    throw new DataError(`${name}: image shape ${shortJson(shape)} must be [height, width, channels], each at least 1.`);
  }
  return shape.reduce((product, side) => product * side, 1);
}

/** @throws {RangeError} if an index is not an integer in [0, length); the message names the first one */
export function checkIndices(indices: ArrayLike<number>, length: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new RangeError(`indices[${i}] must be an integer in [0, ${length}), got ${index}`);
    }
  }
}

/** @throws {DataError} if there is not one label per image, or a label is not in [0, classes.length) */
export function checkLabels(name: string, labels: Int32Array, length: number, classes: readonly string[]): void {
  if (labels.length !== length) throw new DataError(`${name}: ${labels.length} labels for ${length} images.`);
  const bad = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (bad < 0) return;
  const fromOne = labels.every((label) => label >= 1 && label <= classes.length);
  throw new DataError(
    `${name}: label ${labels[bad]} of image ${bad} is outside [0, ${classes.length}).` +
      (fromOne ? ' These labels count from 1: subtract 1 from each.' : ''),
  );
}

/**
 * Why a value cannot be a class number, as the end of a sentence; undefined if it can. A label in the millions is an
 * identifier or damage, and that many class names would exhaust memory.
 */
export function labelProblem(label: unknown): string | undefined {
  if (typeof label !== 'number' || !Number.isInteger(label)) return 'is not an integer; classes are numbered from 0.';
  if (label < 0) return 'is negative; classes are numbered from 0.';
  if (label < MAX_CLASSES) return undefined;
  return (
    `is too large: classes are numbered from 0, up to ${MAX_CLASSES - 1}. ` +
    'If labels are identifiers, replace them with class numbers.'
  );
}

/**
 * Converts numbers to int32 labels.
 * @throws {DataError} if one cannot be a class number; the message names the first one
 */
export function toLabels(name: string, labels: ArrayLike<number | bigint>): Int32Array {
  const checked = new Int32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const label = Number(labels[i]);
    const problem = labelProblem(label);
    if (problem !== undefined) throw new DataError(`${name}: label ${label} of image ${i} ${problem}`);
    checked[i] = label;
  }
  return checked;
}

/** Class names '0', '1', ... up to the highest label, and notes for the user. */
export function numberedClasses(labels: Int32Array): { readonly classes: string[]; readonly notes: string[] } {
  let [lowest, highest] = [Infinity, -1];
  for (const label of labels) {
    lowest = Math.min(lowest, label);
    highest = Math.max(highest, label);
  }
  const fromOne =
    `no image has the label 0: labels from ${lowest} to ${highest} make ${highest + 1} classes. ` +
    'If labels start at 1, subtract 1 from each.';
  return {
    classes: Array.from({ length: highest + 1 }, (_, label) => String(label)),
    notes: lowest > 0 && labels.length > 0 ? [fromOne] : [],
  };
}

/** The beginning of a value as JSON. The whole value may be long, or too deeply nested for JSON.stringify. */
export function shortJson(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.slice(0, SHOWN_ITEMS).map((item) => (Array.isArray(item) ? '[...]' : shortJson(item)));
    return `[${items.join(', ')}${value.length > SHOWN_ITEMS ? ', ...' : ''}]`;
  }
  if (typeof value === 'object' && value !== null) return '{...}';
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, SHOWN_TEXT);
}
