import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { imageExtensions } from '@dm/data';
import sharp from 'sharp';
import { EvalError } from '../errors.js';
import { subsetHash, selectIndices, type ImageSource, type SourceOptions } from './image-source.js';

interface ImageFile {
  readonly path: string;
  readonly shape: readonly [number, number, number];
}

/**
 * Images (jpg, png, webp, gif's first frame) of a folder and its sub-folders as they are: nothing is resized or cut, so all must have one
 * size. Transparent pixels become white. Every file is opened first: one that is no image stops here, or is left out and
 * named. Throws an EvalError naming two files where sizes or channels are mixed.
 */
export async function openFolderSource(root: string, options: SourceOptions = {}): Promise<ImageSource> {
  const skipped: string[] = [];
  const bad = (path: string, error: unknown): void => {
    const what = `${path}: cannot be decoded (${(error as Error).message.trim()})`;
    if (options.skipBad !== true)
      throw new EvalError('SET_INVALID', `${what}. --skip-bad leaves such images out.`, { cause: error });
    skipped.push(what);
  };
  const files: ImageFile[] = [];
  const hash = createHash('sha256');
  for (const path of await imagePaths(root)) {
    const bytes = await readFile(path);
    hash.update(createHash('sha256').update(bytes).digest());
    try {
      files.push({ path, shape: await shapeOf(bytes) });
    } catch (error) {
      bad(path, error);
    }
  }
  const [first] = files;
  if (first === undefined) {
    throw new EvalError(
      'SET_INVALID',
      `${root}: no images there (looked for ${imageExtensions.join(', ')}, sub-folders included).`,
    );
  }
  const other = files.find(({ shape }) => shape.join('x') !== first.shape.join('x'));
  if (other !== undefined) {
    throw new EvalError(
      'SET_INVALID',
      `${root}: images of several sizes: ${first.path} is ${first.shape.join('x')}, ${other.path} is ` +
        `${other.shape.join('x')} (height x width x channels). Bring them to one size first.`,
    );
  }
  const chosen = selectIndices(root, files.length, options);
  return {
    name: root,
    shape: first.shape,
    length: chosen.length,
    sha256: subsetHash(hash.digest('hex'), chosen),
    async *batches(size) {
      for (let start = 0; start < chosen.length; start += size) {
        const images: Uint8Array[] = [];
        for (const index of chosen.subarray(start, start + size)) {
          const { path, shape } = files[index]!;
          try {
            images.push(await decode(path, shape));
          } catch (error) {
            bad(path, error);
          }
        }
        if (images.length > 0) yield Buffer.concat(images);
      }
    },
    skipped,
    notes: [],
  };
}

async function shapeOf(bytes: Buffer): Promise<[number, number, number]> {
  const { autoOrient, space } = await sharp(bytes).metadata();
  return [autoOrient.height, autoOrient.width, space === 'b-w' || space === 'grey16' ? 1 : 3];
}

async function decode(path: string, shape: readonly [number, number, number]): Promise<Uint8Array> {
  const [height, width, channels] = shape;
  const { data } = await sharp(path, { failOn: 'error' })
    .autoOrient()
    .flatten({ background: '#ffffff' })
    .toColorspace(channels === 1 ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (data.length !== height * width * channels)
    throw new EvalError('SET_INVALID', 'it has another size than its header says');
  return data;
}

/** In the order of their paths, byte by byte, so that it is the same on every machine. */
async function imagePaths(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch((cause: Error) => {
    throw new EvalError('SET_INVALID', `${root}: the folder cannot be read (${cause.message}).`, { cause });
  });
  return entries
    .filter((entry) => entry.isFile() && imageExtensions.includes(extname(entry.name).toLowerCase()))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
