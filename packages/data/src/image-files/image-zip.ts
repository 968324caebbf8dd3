import { extname } from 'node:path';
import type { Dataset } from '../dataset.js';
import { checkDecodeOptions, imageExtensions } from '../formats/decode-image.js';
import { DataError } from '../errors.js';
import { compareCodeUnits, LABEL_FILE, labelsFromFile, labelsFromFolders } from './labels.js';
import { skippedFileNotes } from './skipped-files.js';
import { openImageSet, type ImageFileOptions } from './image-set.js';
import { listZip, readZipEntry } from '../formats/zip.js';

export interface ImageZipOptions extends ImageFileOptions {
  /** The archive: images, or one folder a class, as in `openImageFolder`; a `dataset.json` in it has the classes. */
  readonly path: string;
}

/**
 * Images (jpg, png, webp, gif) in a zip archive, read from it one by one when they are asked for: nothing is unpacked to
 * disk. Where all lie in one folder with sub-folders (an archive of a folder), the sub-folders are the classes. Order and
 * labels are those of `openImageFolder`. Throws a DataError on an archive that cannot be read, has no images or lacks
 * labels; `read` throws one on an image that cannot be decoded or contradicts its CRC-32.
 */
export async function openImageZip(options: ImageZipOptions): Promise<Dataset> {
  const { path } = options;
  checkDecodeOptions(path, options);
  const files = (await listZip(path))
    .filter(({ name }) => !name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX'))
    .toSorted((a, b) => compareCodeUnits(a.name, b.name));
  const isImage = (name: string): boolean => imageExtensions.includes(extname(name).toLowerCase());
  const entries = files.filter(({ name }) => isImage(name));
  if (entries.length === 0) {
    throw new DataError(`${path}: no images in it (looked for ${imageExtensions.join(', ')}).`, { code: 'DATA_EMPTY' });
  }
  const twice = entries.find(({ name }, i) => name === entries[i + 1]?.name);
  if (twice) throw new DataError(`${path}: holds ${twice.name} twice.`);

  const isLabelFile = ({ name }: { name: string }, folder: string): boolean => name === folder + LABEL_FILE;
  const root = files.some((file) => isLabelFile(file, '')) ? '' : commonFolder(entries.map(({ name }) => name));
  const labelFile = files.find((file) => isLabelFile(file, root));
  const names = entries.map(({ name }) => name.slice(root.length));
  const labeled = labelFile
    ? labelsFromFile(path, new TextDecoder().decode(await readZipEntry(path, labelFile)), names)
    : labelsFromFolders(path, names);
  const others = files.filter((file) => !isImage(file.name) && file !== labelFile).map(({ name }) => name);
  return openImageSet(
    {
      name: path,
      ...labeled,
      notes: skippedFileNotes(others, []),
      images: entries.map((entry) => ({ path: `${path}/${entry.name}`, load: () => readZipEntry(path, entry) })),
    },
    options,
  );
}

/** The folders, with a '/' at the end, around all files, as long as every file lies in a further folder. */
function commonFolder(names: readonly string[]): string {
  let root = '';
  for (;;) {
    const parts = names.map((name) => name.slice(root.length).split('/'));
    const [first] = parts[0]!;
    if (!parts.every((path) => path.length > 2 && path[0] === first)) return root;
    root += `${first}/`;
  }
}
