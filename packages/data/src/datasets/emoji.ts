import { join } from 'node:path';
import type { Dataset } from '../dataset.js';
import { DataError, reasonOf } from '../errors.js';
import { decodeWholeImage } from '../formats/decode-image.js';
import { readBytes } from '../io/read-file.js';
import { compareCodeUnits } from '../image-files/labels.js';
import { createMemoryDataset } from './memory.js';
import { findPackageFolder } from '../io/npm-package.js';

export interface EmojiOptions {
  /** Side of the images: one of `emojiSizes`. Default 64. */
  readonly size?: number;
  /** Path or file URL from which the npm package is resolved first; then the working folder and the running script. */
  readonly from?: string;
}

/** Position of an image in the sheet, in cells from the top left. */
interface Cell {
  readonly sheet_x: number;
  readonly sheet_y: number;
  readonly category: string;
}

const PACKAGE = { title: 'The emoji set', name: 'emoji-datasource-twitter', version: '16.0.0', size: '74 MB' };
/** Image sizes for which the package has a sheet. */
export const emojiSizes = [16, 20, 32, 64] as const;
const DEFAULT_SIZE = 64;
/** Transparent pixels around each cell, https://github.com/iamcal/emoji-data#using-the-sheets. */
const BORDER = 1;

/**
 * 3786 color images on white, with their categories as classes, from the npm package `emoji-datasource-twitter`
 * (graphics CC BY 4.0, Twitter and other contributors), which the user installs.
 * @throws {DataError} `DATA_NOT_INSTALLED` if the package is missing (the message has the install command),
 * `DATA_OPTION` if there is no sheet of this size
 */
export async function openEmoji(options: EmojiOptions = {}): Promise<Dataset> {
  const { size = DEFAULT_SIZE } = options;
  if (!(emojiSizes as readonly number[]).includes(size)) {
    throw new DataError(`emoji: image size ${size}; available sizes: ${emojiSizes.join(', ')}.`, {
      code: 'DATA_OPTION',
    });
  }
  const root = findPackageFolder(PACKAGE, options.from);
  const cells = parseCells(await readText(join(root, 'emoji.json')), join(root, 'emoji.json'));
  const path = join(root, 'img', 'twitter', 'sheets-clean', `${size}.png`);
  const classes = [...new Set(cells.map(({ category }) => category))].toSorted(compareCodeUnits);
  const labelOf = new Map(classes.map((name, label) => [name, label]));
  return createMemoryDataset({
    name: `emoji/${size}`,
    images: await cutSheet(path, cells, size),
    shape: [size, size, 3],
    labels: cells.map(({ category }) => labelOf.get(category)!),
    classes,
  });
}

const isPlace = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;

/** The emoji that have an image, each followed by its skin tone variants. */
function parseCells(text: string, path: string): Cell[] {
  try {
    const emoji = JSON.parse(text) as (Cell & { has_img_twitter: boolean; skin_variations?: Record<string, Cell> })[];
    const all = emoji.flatMap(({ skin_variations: variants = {}, ...one }) => [
      one,
      ...Object.values(variants).map((variant) => ({ ...one, ...variant })),
    ]);
    const cells = all.filter(({ has_img_twitter: hasImage }) => hasImage);
    const wrong = cells.findIndex(
      ({ sheet_x: x, sheet_y: y, category }) => !isPlace(x) || !isPlace(y) || typeof category !== 'string',
    );
    if (wrong !== -1) throw new DataError(`image ${wrong} has no place in the sheet, or no category`);
    return cells;
  } catch (cause) {
    throw new DataError(`${path}: not the list of emoji (${reasonOf(cause)}). Is it ${PACKAGE.name}?`, { cause });
  }
}

async function cutSheet(path: string, cells: readonly Cell[], size: number): Promise<Uint8Array> {
  const { data, width, height } = await decodeWholeImage(await readBytes(path), path, { channels: 3 });
  const step = size + 2 * BORDER;
  const places = Math.floor(width / step) * Math.floor(height / step);
  if (cells.length > places) {
    throw new DataError(
      `${path}: ${places} images, the list has ${cells.length}. Is it ${PACKAGE.name}@${PACKAGE.version}?`,
    );
  }
  const row = width * 3;
  const images = new Uint8Array(cells.length * size * size * 3);
  cells.forEach(({ sheet_x: column, sheet_y: line }, n) => {
    const [left, top] = [column, line].map((cell) => cell * step + BORDER) as [number, number];
    if (!(left + size <= width && top + size <= height)) {
      throw new DataError(`${path}: image ${n} is outside the sheet. Is it ${PACKAGE.name}@${PACKAGE.version}?`);
    }
    for (let y = 0; y < size; y++) {
      const start = (top + y) * row + left * 3;
      images.set(data.subarray(start, start + size * 3), (n * size + y) * size * 3);
    }
  });
  return images;
}

async function readText(path: string): Promise<string> {
  return (await readBytes(path)).toString();
}
