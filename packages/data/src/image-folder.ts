import { readdir, stat } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import sharp from 'sharp';
import type { Dataset, ImageBatch } from './dataset.js';
import { checkIndices, imageHash } from './memory.js';

export interface ImageFolderOptions {
  /** Folder of images, or of one sub-folder a class; the sub-folders' names, sorted, are the classes. */
  readonly path: string;
  /** Side of the square images, 1 to 4096: the shorter side is resized to it, then the middle is cut out. */
  readonly size: number;
  /** 1 (grey) or 3 (RGB). Default 3. Transparent pixels become white. */
  readonly channels?: 1 | 3;
}

interface ImageFile {
  readonly path: string;
  readonly label: number;
}

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp']);
const MAX_SIZE = 4096;
/** Images decoded at a time; libuv's pool has four threads unless told otherwise. */
const CONCURRENT = 8;
/** Images that `hash` holds at a time. */
const HASH_BATCH = 64;

/**
 * Images (jpg, png, webp) of a folder, decoded when they are read. The order is that of the paths, byte by byte, so
 * it is the same on every machine. Throws an Error on a missing or empty folder and on an impossible size; `read`
 * throws one that names the file where an image cannot be decoded.
 */
export async function openImageFolder(options: ImageFolderOptions): Promise<Dataset> {
  const { path, size, channels = 3 } = options;
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    throw new Error(`${path}: image size ${size}; it must be an integer from 1 to ${MAX_SIZE}.`);
  }
  const { files, classes } = await listImages(path);
  const pixels = size * size * channels;

  const read = async (indices: ArrayLike<number>): Promise<ImageBatch> => {
    checkIndices(indices, files.length);
    const wanted = Array.from(indices, (index) => files[index]!);
    const images = new Uint8Array(wanted.length * pixels);
    for (let start = 0; start < wanted.length; start += CONCURRENT) {
      const decoded = await Promise.all(
        wanted.slice(start, start + CONCURRENT).map((file) => decodeImage(file.path, size, channels)),
      );
      decoded.forEach((image, i) => images.set(image, (start + i) * pixels));
    }
    return classes.length > 0 ? { images, labels: Int32Array.from(wanted, (file) => file.label) } : { images };
  };
  let hash: Promise<string> | undefined;
  return {
    name: `folder:${path}`,
    length: files.length,
    shape: [size, size, channels],
    classes,
    hash() {
      hash ??= hashAll(files, classes.length > 0, read);
      return hash;
    },
    read,
  };
}

/** One image as uint8 [size, size, channels], turned as its EXIF orientation says. Throws an Error naming the file. */
export async function decodeImage(path: string, size: number, channels: 1 | 3): Promise<Uint8Array> {
  try {
    const image = sharp(path, { failOn: 'error' })
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .resize(size, size, { fit: 'cover', position: 'centre' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb');
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (data.length !== size * size * channels) throw new Error(`it has ${info.channels} channels, not ${channels}`);
    return data;
  } catch (cause) {
    throw new Error(`${path}: cannot be decoded (${(cause as Error).message.trim()}).`, { cause });
  }
}

async function listImages(root: string): Promise<{ files: ImageFile[]; classes: string[] }> {
  const found = await stat(root).catch(() => undefined);
  if (!found) throw new Error(`${root}: no such folder.`);
  if (!found.isDirectory()) throw new Error(`${root}: not a folder.`);
  const paths = await walk(root);
  if (paths.length === 0) {
    throw new Error(`${root}: no images there (looked for ${[...EXTENSIONS].join(', ')}, sub-folders included).`);
  }
  const folders = paths.map((path) => relative(root, path).split(/[\\/]/).slice(0, -1)[0]);
  const loose = folders.indexOf(undefined);
  const classes = [...new Set(folders.filter((name) => name !== undefined))].toSorted(byCodeUnit);
  if (classes.length === 0) return { files: paths.map((path) => ({ path, label: -1 })), classes };
  if (loose >= 0) {
    throw new Error(
      `${root}: images lie both in class folders (${classes[0]}, ...) and beside them (${paths[loose]}). Move one or the other.`,
    );
  }
  return { files: paths.map((path, i) => ({ path, label: classes.indexOf(folders[i]!) })), classes };
}

async function walk(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const paths: string[] = [];
  for (const entry of entries.toSorted((a, b) => byCodeUnit(a.name, b.name))) {
    if (entry.name.startsWith('.')) continue;
    const path = join(dir, entry.name);
    // A link counts as what it leads to.
    const kind = entry.isSymbolicLink() ? await stat(path) : entry;
    if (kind.isDirectory()) paths.push(...(await walk(path)));
    else if (kind.isFile() && EXTENSIONS.has(extname(entry.name).toLowerCase())) paths.push(path);
  }
  return paths;
}

/** Not localeCompare: that depends on the machine's language. */
function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function hashAll(
  files: readonly ImageFile[],
  labelled: boolean,
  read: (indices: ArrayLike<number>) => Promise<ImageBatch>,
): Promise<string> {
  const hash = imageHash();
  for (let start = 0; start < files.length; start += HASH_BATCH) {
    const count = Math.min(HASH_BATCH, files.length - start);
    hash.add((await read(Array.from({ length: count }, (_, i) => start + i))).images);
  }
  return hash.digest(labelled ? Int32Array.from(files, (file) => file.label) : undefined);
}
