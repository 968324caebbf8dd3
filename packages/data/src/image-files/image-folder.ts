import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import type { Dataset } from '../dataset.js';
import { checkDecodeOptions, imageExtensions } from '../formats/decode-image.js';
import { DataError } from '../errors.js';
import { fileError, readBytes } from '../io/read-file.js';
import { compareCodeUnits, LABEL_FILE, labelsFromFile, labelsFromFolders } from './labels.js';
import { skippedFileNotes } from './skipped-files.js';
import { openImageSet, type ImageFileOptions } from './image-set.js';

export interface ImageFolderOptions extends ImageFileOptions {
  /**
   * Folder of images, or of one sub-folder a class; the sub-folders' names, sorted, are the classes. A `dataset.json` in
   * it, as EDM's dataset tool writes it, has the classes instead.
   */
  readonly path: string;
}

/**
 * Images (jpg, png, webp, gif) of a folder, decoded when they are read. The order is that of the paths, byte by byte, so
 * it is the same on every machine. Throws a DataError on a missing or empty folder, on labels that are missing and on an
 * impossible size; `read` throws one that names the file where an image cannot be decoded.
 */
export async function openImageFolder(options: ImageFolderOptions): Promise<Dataset> {
  const { path: root } = options;
  checkDecodeOptions(root, options);
  const found = await stat(root).catch(() => undefined);
  if (!found) throw new DataError(`${root}: no such folder.`, { code: 'DATA_NOT_FOUND' });
  if (!found.isDirectory()) throw new DataError(`${root}: not a folder.`, { code: 'DATA_NOT_FOUND' });
  const { images, others, empty } = await walk(root);
  if (images.length === 0) {
    throw new DataError(`${root}: no images there (looked for ${imageExtensions.join(', ')}, sub-folders included).`, {
      code: 'DATA_EMPTY',
    });
  }
  const paths = images.map((path) => relative(root, path).split(sep).join('/'));
  const text = await readFile(join(root, LABEL_FILE), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw fileError(join(root, LABEL_FILE), cause);
  });
  const labeled = text === undefined ? labelsFromFolders(root, paths) : labelsFromFile(root, text, paths);
  return openImageSet(
    {
      name: `folder:${root}`,
      ...labeled,
      notes: skippedFileNotes(others, empty),
      images: images.map((path) => ({ path, load: () => readBytes(path) })),
    },
    options,
  );
}

interface Found {
  readonly images: string[];
  /** Files that are no images. */
  readonly others: string[];
  /** Folders without any image. */
  readonly empty: string[];
}

async function walk(dir: string): Promise<Found> {
  const found: Found = { images: [], others: [], empty: [] };
  const entries = await readdir(dir, { withFileTypes: true }).catch((cause: unknown) => {
    throw fileError(dir, cause);
  });
  for (const entry of entries.toSorted((a, b) => compareCodeUnits(a.name, b.name))) {
    if (entry.name.startsWith('.') || entry.name === LABEL_FILE) continue;
    const path = join(dir, entry.name);
    // A link counts as what it leads to.
    const kind = entry.isSymbolicLink() ? await linked(path) : entry;
    if (kind.isDirectory()) {
      const inside = await walk(path);
      found.images.push(...inside.images);
      found.others.push(...inside.others);
      found.empty.push(...(inside.images.length === 0 ? [path] : inside.empty));
    } else if (kind.isFile() && imageExtensions.includes(extname(entry.name).toLowerCase())) found.images.push(path);
    else found.others.push(path);
  }
  return found;
}

async function linked(path: string) {
  return stat(path).catch((cause: unknown) => {
    throw new DataError(`${path}: a link that leads nowhere. Mend or remove it.`, { code: 'DATA_NOT_FOUND', cause });
  });
}
