import { mapConcurrent } from '../io/map-concurrent.js';
import type { Dataset, ImageBatch } from '../dataset.js';
import { decodeImage, type DecodeOptions } from '../formats/decode-image.js';
import { DataError } from '../errors.js';
import { checkIndices } from '../checks.js';
import { createContentHash } from '../content-hash.js';

export interface ImageFileOptions extends DecodeOptions {
  /**
   * Leave images out that cannot be read or decoded, and say so in `notes`: all are decoded once when the set is opened.
   * Default false: `read` stops at the first and names it.
   */
  readonly skipBad?: boolean;
}

/** Encoded images somewhere, with their classes. */
export interface EncodedImages {
  readonly name: string;
  readonly classes: readonly string[];
  readonly labels: Int32Array | undefined;
  readonly notes: readonly string[];
  readonly images: readonly EncodedImage[];
}

export interface EncodedImage {
  /** Named in errors. */
  readonly path: string;
  /** Its bytes, as the file has them. Throws a DataError that names the image. */
  readonly load: () => Promise<Uint8Array>;
}

/** Images decoded at a time; libuv's pool has four threads unless told otherwise. */
const CONCURRENT = 8;
/** Images that are held at a time where all are read. */
const PASS_BATCH = 64;
/** Bad images that are named one by one. */
const NAMED = 5;

/** A data set of encoded images, decoded when they are read; the size has been checked. */
export async function openImageSet(source: EncodedImages, options: ImageFileOptions): Promise<Dataset> {
  const { name, classes } = source;
  const { size, channels = 3, skipBad = false } = options;
  const pixels = size * size * channels;
  const checked = skipBad ? await withoutBad(source, options) : undefined;
  const { images, labels } = checked ?? source;

  const read = async (indices: ArrayLike<number>): Promise<ImageBatch> => {
    checkIndices(indices, images.length);
    const out = new Uint8Array(indices.length * pixels);
    await mapConcurrent(Array.from(indices), CONCURRENT, async (index, n) => {
      const { path, load } = images[index]!;
      out.set(await decodeOrRefuse(path, load, options), n * pixels);
    });
    return labels ? { images: out, labels: Int32Array.from(indices, (index) => labels[index]!) } : { images: out };
  };
  let hash = checked && Promise.resolve(checked.sha256);
  return {
    name,
    length: images.length,
    shape: [size, size, channels],
    classes,
    notes: [...source.notes, ...(checked?.notes ?? [])],
    hash() {
      hash ??= hashAll(images.length, labels, read);
      return hash;
    },
    read,
  };
}

/** Throws a DataError that names the image, and what leaves it out. */
async function decodeOrRefuse(path: string, load: EncodedImage['load'], size: DecodeOptions): Promise<Uint8Array> {
  const bytes = await load();
  try {
    return await decodeImage(bytes, path, size);
  } catch (cause) {
    throw cause instanceof DataError
      ? new DataError(`${cause.message} skipBad (--skip-bad) leaves such out.`, { code: cause.code, cause })
      : cause;
  }
}

async function hashAll(
  length: number,
  labels: Int32Array | undefined,
  read: (indices: ArrayLike<number>) => Promise<ImageBatch>,
): Promise<string> {
  const hash = createContentHash();
  for (let start = 0; start < length; start += PASS_BATCH) {
    const count = Math.min(PASS_BATCH, length - start);
    hash.add((await read(Array.from({ length: count }, (_, i) => start + i))).images);
  }
  return hash.digest(labels);
}

/** The images that can be decoded, their hash, and what is to be said of the others. */
async function withoutBad(source: EncodedImages, size: DecodeOptions) {
  const good: number[] = [];
  const bad: string[] = [];
  const hash = createContentHash();
  for (let start = 0; start < source.images.length; start += PASS_BATCH) {
    const batch = source.images.slice(start, start + PASS_BATCH);
    const decoded = await mapConcurrent(batch, CONCURRENT, async ({ path, load }) => {
      try {
        return await decodeImage(await load(), path, size);
      } catch (error) {
        if (error instanceof DataError) return error.message;
        throw error;
      }
    });
    decoded.forEach((result, i) => {
      if (typeof result === 'string') bad.push(result);
      else {
        good.push(start + i);
        hash.add(result);
      }
    });
  }
  if (good.length === 0) {
    throw new DataError(`${source.name}: none of its ${bad.length} images can be decoded, such as ${bad[0]}`, {
      code: 'DATA_EMPTY',
    });
  }
  const labels = source.labels && Int32Array.from(good, (index) => source.labels![index]!);
  const more = bad.length > NAMED ? [`... and ${bad.length - NAMED} more bad images.`] : [];
  return {
    images: good.map((index) => source.images[index]!),
    labels,
    sha256: hash.digest(labels),
    notes:
      bad.length === 0
        ? []
        : [
            `${bad.length} of ${source.images.length} images left out, as they are bad:`,
            ...bad.slice(0, NAMED),
            ...more,
          ],
  };
}
