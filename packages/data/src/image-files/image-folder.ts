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
   * Folder of images, or of one sub-folder a class; the sub-folders' names, sorted, are the classes. A `dataset.json` in
   * it, as EDM's dataset tool writes it, has the classes instead.
   */
  readonly path: string;
}

/**
 * Images (jpg, png, webp, gif) of a folder, decoded when they are read. The order is that of the paths, byte by byte,
 * so it is the same on every machine.
 * @throws {DataError} on a missing or empty folder, on labels that are missing and on an impossible size; `read` throws
 *   one that names the file where an image cannot be decoded
 */
export async function openImageFolder(options: ImageFolderOptions): Promise<Dataset> {
  const { path: root } = options;
  checkDecodeOptions(root, options);
  const { paths, notes } = await listImages(root, options.limits);
  const text = await labelText(join(root, LABEL_FILE), paths.length);
  const labeled = text === undefined ? labelsFromFolders(root, paths) : labelsFromFile(root, text, paths);
  const limits = resolveLimits(options.limits);
  const pathOf = (index: number): string => join(root, paths[index]!);
  return openImageSet(
    {
      name: `folder:${root}`,
      ...labeled,
      notes: [...notes, ...(labeled.notes ?? [])],
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

/** The content of a file of labels; undefined if there is none. */
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
