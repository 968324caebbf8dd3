import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../dataset.js';
import { checkDecodeOptions } from '../formats/decode-image.js';
import { DataError } from '../errors.js';
import { fileError, readBytes, withFile } from '../io/read-file.js';
import { checkLimit, resolveLimits } from '../limits.js';
import { checkLabelBytes, LABEL_FILE, labelsFromFile, labelsFromFolders } from './labels.js';
import { listImages } from './list-images.js';
import { openImageSet, type ImageFileOptions } from './image-set.js';

export interface ImageFolderOptions extends ImageFileOptions {
  /**
   * Folder of images, or with one subfolder per class, whose sorted names are the classes. A `dataset.json` in it, as
   * written by EDM's dataset tool, takes precedence.
   */
  readonly path: string;
}

/**
 * Images (jpg, png, webp, gif) of a folder, decoded on demand. Files and subfolders of each folder are sorted by their
 * names' code units, so the order is the same on every machine.
 * @throws {DataError} if the folder is missing or has no images, a label is missing, or the size is invalid; `read`
 * throws one that names the file if an image cannot be decoded
 */
export async function openImageFolder(options: ImageFolderOptions): Promise<Dataset> {
  const { path: root } = options;
  checkDecodeOptions(root, options);
  const { paths, notes, skippedLinks } = await listImages(root, options.limits, options);
  const text = await labelText(join(root, LABEL_FILE), paths.length);
  const labeled = text === undefined ? labelsFromFolders(root, paths) : labelsFromFile(root, text, paths);
  const limits = resolveLimits(options.limits);
  const pathOf = (index: number): string => join(root, paths[index]!);
  return openImageSet(
    {
      name: `folder:${root}`,
      ...labeled,
      notes: [...notes, ...linkNotes(skippedLinks), ...(labeled.notes ?? [])],
      length: paths.length,
      pathOf,
      async bytesOf(index) {
        const path = pathOf(index);
        const { size } = await stat(path).catch((cause: unknown) => {
          throw fileError(path, cause);
        });
        checkLimit(`${path}: bytes`, size, limits, 'maxFileBytes');
        return size;
      },
      async load(index) {
        const bytes = await readBytes(pathOf(index));
        return { bytes, storedBytes: bytes.length };
      },
    },
    options,
  );
}

/** Maximum number of skipped links to list. */
const NAMED = 5;

function linkNotes(skipped: readonly string[]): string[] {
  if (skipped.length === 0) return [];
  const more = skipped.length > NAMED ? [`... and ${skipped.length - NAMED} more links.`] : [];
  const what = skipped.length === 1 ? '1 link' : `${skipped.length} links`;
  return [`${what} skipped:`, ...skipped.slice(0, NAMED), ...more];
}

/** The content of the label file; undefined if there is none. */
async function labelText(path: string, images: number): Promise<string | undefined> {
  try {
    return await withFile(path, async (file) => {
      checkLabelBytes(path, (await file.stat()).size, images);
      return file.readFile('utf8');
    });
  } catch (error) {
    if (error instanceof DataError && error.code === 'DATA_NOT_FOUND') return undefined;
    throw error;
  }
}
