import { labelProblem, numberedClasses, shortJson } from '../checks.js';
import { DataError, reasonOf } from '../errors.js';

export interface ImageLabels {
  /** Class of each path; undefined without labels. */
  readonly labels: Int32Array | undefined;
  readonly classes: readonly string[];
  /** Notes for the user. */
  readonly notes?: readonly string[];
}

/** The label file in an image folder or archive, as written by EDM's and StyleGAN's dataset_tool.py. */
export const LABEL_FILE = 'dataset.json';

/** Maximum size of the label file: JSON takes many times its size in memory, and repeated text compresses well. */
const LABEL_BYTES = 2 ** 24;
const LABEL_BYTES_PER_IMAGE = 512;

/** @throws {DataError} `DATA_LIMIT` if the label file is too large for this number of images */
export function checkLabelBytes(source: string, bytes: number, images: number): void {
  const limit = LABEL_BYTES + LABEL_BYTES_PER_IMAGE * images;
  if (bytes <= limit) return;
  throw new DataError(
    `${source}: ${bytes} bytes of labels for ${images} images; the limit is ${limit} bytes ` +
      `(${LABEL_BYTES_PER_IMAGE} per image). Remove everything except the labels of these images.`,
    { code: 'DATA_LIMIT' },
  );
}

/**
 * The classes of images from their relative paths (with '/'): the top-level folders, sorted by code units. Images that
 * are not in any folder have no labels.
 * @throws {DataError} if some images are in class folders and others are not
 */
export function labelsFromFolders(source: string, paths: readonly string[]): ImageLabels {
  // Provisional numbers in order of appearance; renumbered when all folders are known and sorted.
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
      `${source}: some images are in class folders (${classes[0]}, ...), others are not (${loose}). Move one or the other.`,
    );
  }
  const labelOf = new Int32Array(classes.length);
  for (const [label, name] of classes.entries()) labelOf[numberOf.get(name)!] = label;
  return { labels: numbers.map((number) => labelOf[number]!), classes };
}

/**
 * The classes of images from a `dataset.json`: {"labels": [["00000/img00000000.png", 6], ...]}, or null for none.
 * @throws {DataError} if it has another form, or the label of an image is missing
 */
export function labelsFromFile(source: string, text: string, paths: readonly string[]): ImageLabels {
  const file = `${source}/${LABEL_FILE}`;
  let listed: unknown;
  try {
    listed = (JSON.parse(text.replace(/^\uFEFF/, '')) as { labels?: unknown } | null)?.labels;
  } catch (cause) {
    throw new DataError(`${file}: not JSON (${reasonOf(cause)}).`, { cause });
  }
  if (listed === null) return { labels: undefined, classes: [] };
  if (!Array.isArray(listed)) throw new DataError(`${file}: "labels" must be a list of [path, class], or null.`);
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
      `${file}: ${missing} of ${paths.length} images have no label in it, such as ${first}. ` +
        'Add them, or remove the file to use folders as classes.',
    );
  }
  const { classes, notes } = numberedClasses(labels);
  return { labels, classes, notes: notes.map((note) => `${file}: ${note}`) };
}

/** Unlike localeCompare, does not depend on the machine's locale. */
export function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
