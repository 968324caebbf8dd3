import { labelProblem, numberedClasses, shortJson } from '../checks.js';
import { DataError, reasonOf } from '../errors.js';

export interface ImageLabels {
  /** Class of each path; undefined where the set has none. */
  readonly labels: Int32Array | undefined;
  readonly classes: readonly string[];
  /** What to know about them. */
  readonly notes?: readonly string[];
}

/** The file of labels beside or among images, as EDM's and StyleGAN's dataset_tool.py write it. */
export const LABEL_FILE = 'dataset.json';

/** What a file of labels may have: JSON becomes many times its size in memory, and repeated text packs well. */
const LABEL_BYTES = 2 ** 24;
const LABEL_BYTES_PER_IMAGE = 512;

/** @throws {DataError} `DATA_LIMIT` if a file of labels is too large for so many images; `source` names it */
export function checkLabelBytes(source: string, bytes: number, images: number): void {
  const limit = LABEL_BYTES + LABEL_BYTES_PER_IMAGE * images;
  if (bytes <= limit) return;
  throw new DataError(
    `${source}: ${bytes} bytes of labels for ${images} images; the limit is ${limit} bytes ` +
      `(${LABEL_BYTES_PER_IMAGE} an image). Leave out what is no label of one of these images.`,
    { code: 'DATA_LIMIT' },
  );
}

/**
 * The classes of images by their paths (relative, with '/'): the first folder of each, sorted by code units. Images
 * without any folder have no labels.
 * @throws {DataError} if some images lie in class folders and others beside them
 */
export function labelsFromFolders(source: string, paths: readonly string[]): ImageLabels {
  // Numbers in the order in which the folders come, until all are known and sorted.
  const numberOf = new Map<string, number>();
  const numbers = new Int32Array(paths.length);
  let loose: string | undefined;
  for (const [i, path] of paths.entries()) {
    const slash = path.indexOf('/');
    if (slash < 0) {
      loose ??= path;
      continue;
    }
    const folder = path.slice(0, slash);
    const number = numberOf.get(folder) ?? numberOf.size;
    numberOf.set(folder, number);
    numbers[i] = number;
  }
  const classes = [...numberOf.keys()].toSorted(compareCodeUnits);
  if (classes.length === 0) return { labels: undefined, classes };
  if (loose !== undefined) {
    throw new DataError(
      `${source}: images lie both in class folders (${classes[0]}, ...) and beside them (${loose}). Move one or the other.`,
    );
  }
  const labelOf = new Int32Array(classes.length);
  for (const [label, name] of classes.entries()) labelOf[numberOf.get(name)!] = label;
  return { labels: numbers.map((number) => labelOf[number]!), classes };
}

/**
 * The classes of images by a `dataset.json`: {"labels": [["00000/img00000000.png", 6], ...]}, or null for none.
 * @throws {DataError} if it is not of that form or lacks an image
 */
export function labelsFromFile(source: string, text: string, paths: readonly string[]): ImageLabels {
  const file = `${source}/${LABEL_FILE}`;
  let listed: unknown;
  try {
    listed = (JSON.parse(text) as { labels?: unknown } | null)?.labels;
  } catch (cause) {
    throw new DataError(`${file}: no JSON (${reasonOf(cause)}).`, { cause });
  }
  if (listed === null) return { labels: undefined, classes: [] };
  if (!Array.isArray(listed)) throw new DataError(`${file}: has no "labels": a list of [path, class], or null.`);
  const labelOf = new Map<string, number>();
  for (const pair of listed as unknown[]) {
    const [path, label] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof path !== 'string') {
      throw new DataError(`${file}: ${shortJson(pair)} must be [path, class].`);
    }
    const problem = labelProblem(label);
    if (problem !== undefined) throw new DataError(`${file}: the class ${shortJson(label)} of ${path} ${problem}`);
    labelOf.set(path, label as number);
  }
  const labels = new Int32Array(paths.length);
  let [missing, first] = [0, ''];
  for (const [i, path] of paths.entries()) {
    const label = labelOf.get(path);
    if (label === undefined && missing++ === 0) first = path;
    labels[i] = label ?? 0;
  }
  if (missing > 0) {
    throw new DataError(
      `${file}: ${missing} of ${paths.length} images have no label there, such as ${first}. ` +
        'Add them to the file, or remove the file to take folders as classes.',
    );
  }
  const { classes, notes } = numberedClasses(labels);
  return { labels, classes, notes: notes.map((note) => `${file}: ${note}`) };
}

/** Not localeCompare: that depends on the machine's language. */
export function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
