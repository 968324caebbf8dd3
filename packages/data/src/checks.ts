import { DataError } from './errors.js';

const MAX_CLASSES = 100_000;
/** Of a value in an error. */
const [SHOWN_ITEMS, SHOWN_TEXT] = [8, 80];

/** H W C after a check that each is a positive integer. */
export function imageBytes(name: string, shape: readonly number[]): number {
  if (shape.length !== 3 || shape.some((side) => !Number.isInteger(side) || side < 1)) {
    throw new DataError(`${name}: image shape ${shortJson(shape)} must be [height, width, channels], each at least 1.`);
  }
  return shape.reduce((product, side) => product * side, 1);
}

/** Throws a RangeError naming the first index that is not an integer in [0, length). */
export function checkIndices(indices: ArrayLike<number>, length: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new RangeError(`indices[${i}] must be an integer in [0, ${length}), got ${index}`);
    }
  }
}

/**
 * @throws {DataError} if there is not one label an image, or one names no class
 */
export function checkLabels(name: string, labels: Int32Array, length: number, classes: readonly string[]): void {
  if (labels.length !== length) throw new DataError(`${name}: ${labels.length} labels for ${length} images.`);
  const bad = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (bad >= 0) throw new DataError(`${name}: label ${labels[bad]} of image ${bad} is outside [0, ${classes.length}).`);
}

/**
 * '0', '1', ... up to the highest label.
 * @throws {DataError} on a negative label or one that is no class number
 */
export function numberedClasses(source: string, labels: Int32Array): string[] {
  let highest = -1;
  for (const label of labels) highest = Math.max(highest, label);
  // A label of millions is a damaged file, or an identifier; that many names would fill the memory.
  if (highest >= MAX_CLASSES) {
    throw new DataError(`${source}: label ${highest}; numbers of classes are below ${MAX_CLASSES}.`);
  }
  return Array.from({ length: highest + 1 }, (_, label) => String(label));
}

/** The beginning of any value from a file as JSON; not all of it, which may be long, and too deep for JSON.stringify. */
export function shortJson(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.slice(0, SHOWN_ITEMS).map((item) => (Array.isArray(item) ? '[...]' : shortJson(item)));
    return `[${items.join(', ')}${value.length > SHOWN_ITEMS ? ', ...' : ''}]`;
  }
  if (typeof value === 'object' && value !== null) return '{...}';
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, SHOWN_TEXT);
}
