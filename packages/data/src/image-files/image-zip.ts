import { extname } from 'node:path';
import type { Dataset } from '../dataset.js';
import { checkDecodeOptions, imageExtensions } from '../formats/decode-image.js';
import { DataError } from '../errors.js';
import { checkLimit, resolveLimits } from '../limits.js';
import {
  checkLabelBytes,
  compareCodeUnits,
  LABEL_FILE,
  labelsFromFile,
  labelsFromFolders,
  type ImageLabels,
} from './labels.js';
import { createSkippedFiles } from './skipped-files.js';
import { openImageSet, type ImageFileOptions } from './image-set.js';
import { listZip, readZipEntry, type ZipEntry } from '../formats/zip.js';

export interface ImageZipOptions extends ImageFileOptions {
  /** The archive: images, or one folder per class, as in `openImageFolder`; a `dataset.json` in it takes precedence. */
  readonly path: string;
}

/**
 * Images (jpg, png, webp, gif) in a zip archive, read on demand; nothing is unpacked to disk. If all files are in one
 * folder with subfolders (an archive of a folder), the subfolders are the classes. Labels as in `openImageFolder`; sorted
 * by path, which is another order if one folder name begins another: `cat-big/1.png` comes before
 * `cat/1.png`.
 * @throws {DataError} if the archive cannot be read, has no images, or a label is missing; `read` throws it if an image
 * cannot be decoded or its CRC-32 does not match
 */
export async function openImageZip(options: ImageZipOptions): Promise<Dataset> {
  const { path } = options;
  checkDecodeOptions(path, options);
  const limits = resolveLimits(options.limits);
  const files = (await listZip(path, limits)).filter(({ name }) => !isHidden(name));
  files.sort((a, b) => compareCodeUnits(a.name, b.name));
  const entries = files.filter(({ name }) => isImage(name));
  if (entries.length === 0) {
    throw new DataError(`${path}: no images in it (looked for ${imageExtensions.join(', ')}).`, { code: 'DATA_EMPTY' });
  }
  const twice = entries.find(({ name }, i) => name === entries[i + 1]?.name);
  if (twice) throw new DataError(`${path}: contains ${twice.name} twice.`);
  for (const { name } of entries) {
    checkLimit(`${path}/${name}: folders within each other`, name.split('/').length - 1, limits, 'maxDepth');
  }

  const isLabelFile = ({ name }: { name: string }, folder: string): boolean => name === folder + LABEL_FILE;
  const root = files.some((file) => isLabelFile(file, '')) ? '' : commonFolder(entries.map(({ name }) => name));
  const labelFile = files.find((file) => isLabelFile(file, root));
  const names = entries.map(({ name }) => name.slice(root.length));
  const labeled = labelFile ? await readLabels(path, labelFile, names) : labelsFromFolders(path, names);
  const others = createSkippedFiles();
  for (const file of files) if (!isImage(file.name) && file !== labelFile) others.add(file.name);
  const pathOf = (index: number): string => `${path}/${entries[index]!.name}`;
  return openImageSet(
    {
      name: path,
      ...labeled,
      notes: [...others.notes([]), ...(labeled.notes ?? [])],
      length: entries.length,
      pathOf,
      // oxlint-disable-next-line require-await -- so that errors reject
      async bytesOf(index) {
        const { bytes, compressedBytes } = entries[index]!;
        checkLimit(`${pathOf(index)}: bytes`, bytes, limits, 'maxFileBytes');
        return bytes + compressedBytes;
      },
      async load(index) {
        const entry = entries[index]!;
        return { bytes: await readZipEntry(path, entry), storedBytes: entry.compressedBytes };
      },
    },
    options,
  );
}

function isImage(name: string): boolean {
  return imageExtensions.includes(extname(name).toLowerCase());
}

function isHidden(name: string): boolean {
  return name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');
}

async function readLabels(path: string, entry: ZipEntry, names: readonly string[]): Promise<ImageLabels> {
  checkLabelBytes(`${path}/${entry.name}`, entry.bytes, names.length);
  return labelsFromFile(path, new TextDecoder().decode(await readZipEntry(path, entry)), names);
}

/** The longest common folder of all files, with a trailing '/', as long as every file is in a subfolder. */
function commonFolder(names: readonly string[]): string {
  const first = names[0]!.split('/');
  let common = first.length;
  for (const name of names) {
    const parts = name.split('/');
    common = Math.min(common, parts.length - 2);
    for (let i = 0; i < common; i++) if (parts[i] !== first[i]) common = i;
  }
  return first
    .slice(0, Math.max(0, common))
    .map((part) => `${part}/`)
    .join('');
}
