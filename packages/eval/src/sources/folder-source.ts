import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DataError, decodeWholeImage, listImages, readImageSize, type DataLimits } from '@dm/data';
import { FileError, readRegularFileAsync } from '@dm/files';
import { EvalError } from '../errors.js';
import { subsetHash, selectIndices, type ImageSource, type SourceOptions } from './image-source.js';

/** [H, W, C]. */
type Shape = readonly [number, number, 1 | 3];

/**
 * Smaller than the default for datasets: images are not resized before the network, whose activations take many times
 * their bytes.
 */
const MAX_PIXELS = 2 ** 24;
/** Bytes of one encoded image, as the default for datasets. */
const MAX_FILE_BYTES = 2 ** 27;
/** Bytes of decoded images in memory at a time. */
const BATCH_BYTES = 2 ** 27;
/** Files open at a time. */
const READ_AHEAD = 8;

/**
 * Images (jpg, png, webp, first frame of gif) of a folder and its subfolders. They are not resized or cropped, so all
 * must have one size. Transparent pixels become white. The header of every file is checked first. `limits.maxPixels`
 * defaults to 2^24 here.
 * @throws {EvalError} if sizes or channels are mixed (the message names two files), or a file is damaged or exceeds
 * `limits` and `skipBad` is not set, or the folder cannot be listed or has no images
 */
export async function openFolderSource(
  root: string,
  options: SourceOptions & { readonly limits?: Partial<DataLimits> } = {},
): Promise<ImageSource> {
  const limits = { maxPixels: MAX_PIXELS, ...options.limits };
  const skipped: string[] = [];
  const bad = (error: unknown): void => {
    if (!(error instanceof DataError)) throw error;
    if (options.skipBad !== true)
      throw new EvalError('SET_INVALID', `${error.message} --skip-bad skips such images.`, { cause: error });
    skipped.push(error.message);
  };
  const files: string[] = [];
  let first: { readonly path: string; readonly shape: Shape } | undefined;
  const hash = createHash('sha256');
  const { paths, skippedLinks } = await imagePaths(root, limits, options);
  for (const link of skippedLinks) skipped.push(link);
  for (let start = 0; start < paths.length; start += READ_AHEAD) {
    const heads = paths.slice(start, start + READ_AHEAD).map((path) => readHead(path, limits));
    // Wait for all first, so that a rejection is never unhandled; they are inspected below.
    await Promise.allSettled(heads);
    for (const head of heads) {
      const { path, sha256, shape } = await head;
      hash.update(sha256);
      if (shape instanceof DataError) {
        bad(shape);
        continue;
      }
      first ??= { path, shape };
      if (shape.join('x') !== first.shape.join('x')) {
        throw new EvalError(
          'SET_INVALID',
          `${root}: images of several sizes: ${first.path} is ${first.shape.join('x')}, ${path} is ` +
            `${shape.join('x')} (height x width x channels). Resize them to one size first; dm eval resizes folder:${root} to --image-size.`,
        );
      }
      files.push(path);
    }
  }
  if (first === undefined) {
    throw new EvalError(
      'SET_INVALID',
      `${root}: none of its ${paths.length} images can be decoded, such as ${skipped[0]}`,
    );
  }
  const { shape } = first;
  const chosen = selectIndices(root, files.length, options);
  return {
    name: root,
    shape,
    length: chosen.length,
    sha256: subsetHash(hash.digest('hex'), chosen),
    async *batches(size) {
      const perBatch = Math.max(1, Math.min(size, Math.floor(BATCH_BYTES / shape.reduce((a, b) => a * b))));
      for (let start = 0; start < chosen.length; start += perBatch) {
        const images: Uint8Array[] = [];
        for (const index of chosen.subarray(start, start + perBatch)) {
          try {
            images.push(await decode(files[index]!, shape, limits));
          } catch (error) {
            bad(error);
          }
        }
        if (images.length > 0) yield Buffer.concat(images);
      }
    },
    skipped,
    notes: [],
  };
}

interface Head {
  readonly path: string;
  /** SHA-256 of the file; empty if it cannot be read. */
  readonly sha256: Uint8Array;
  /** The shape, or the error if the file cannot be read or is not an image. */
  readonly shape: Shape | DataError;
}

async function readHead(path: string, limits: Partial<DataLimits>): Promise<Head> {
  let sha256: Uint8Array = new Uint8Array(0);
  try {
    const bytes = await readImageFile(path, limits);
    sha256 = createHash('sha256').update(bytes).digest();
    const { width, height, channels } = await readImageSize(bytes, path, limits);
    return { path, sha256, shape: [height, width, channels] };
  } catch (error) {
    if (error instanceof DataError) return { path, sha256, shape: error };
    throw error;
  }
}

/**
 * Reads a file of at most the size of an image, before it is known to be one.
 * @throws {DataError} if it cannot be read, or is larger
 */
async function readImageFile(path: string, { maxFileBytes = MAX_FILE_BYTES }: Partial<DataLimits>): Promise<Buffer> {
  try {
    return await readRegularFileAsync(path, { maxBytes: maxFileBytes });
  } catch (cause) {
    throw cause instanceof FileError ? new DataError(cause.message, { code: 'DATA_CORRUPT', cause }) : cause;
  }
}

async function decode(
  path: string,
  [height, width, channels]: Shape,
  limits: Partial<DataLimits>,
): Promise<Uint8Array> {
  const image = await decodeWholeImage(await readImageFile(path, limits), path, { channels, limits });
  if (image.height !== height || image.width !== width) {
    throw new DataError(`${path}: its size differs from its header.`, { code: 'DATA_CORRUPT' });
  }
  return image.data;
}

/** Sorted by the bytes of their paths, so that the order is the same on every machine. */
async function imagePaths(root: string, limits: Partial<DataLimits>, options: SourceOptions) {
  const { paths, skippedLinks } = await listImages(root, limits, options).catch((cause: unknown) => {
    throw cause instanceof DataError ? new EvalError('SET_INVALID', cause.message, { cause }) : cause;
  });
  return { paths: paths.map((path) => join(root, path)).toSorted(), skippedLinks };
}
