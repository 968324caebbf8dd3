import { mapConcurrent } from '../io/map-concurrent.js';
import type { Dataset, ImageBatch } from '../dataset.js';
import { decodeImage, type DecodeOptions } from '../formats/decode-image.js';
import { readImageHeader } from '../formats/image-header.js';
import { createByteBudget } from '../io/byte-budget.js';
import { limitError, resolveLimits } from '../limits.js';
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
  readonly length: number;
  /** Named in errors. */
  readonly pathOf: (index: number) => string;
  /** Its bytes. Throws a DataError that names the image. */
  readonly load: (index: number) => Promise<EncodedImage>;
  /** Bytes that `load` will hold, and fewer than `limits.maxFileBytes`. Throws a DataError that names the image. */
  readonly bytesOf: (index: number) => Promise<number>;
}

export interface EncodedImage {
  readonly bytes: Uint8Array;
  /** Bytes that it takes where it lies, compressed or not. */
  readonly storedBytes: number;
}

/** Images decoded at a time; libuv's pool has four threads unless told otherwise. */
const CONCURRENT = 8;
/** Images that are held at a time where all are read. */
const PASS_BATCH = 64;
/** Bad images that are named one by one. */
const NAMED = 5;

/** What all encoded images that are held at a time in this process may take. */
const ENCODED = createByteBudget(2 ** 27);
/** Decoded bytes of a set that are not held against its files' bytes (`limits.maxRatio`). */
const FREE_DECODED_BYTES = 2 ** 30;

/** A data set of encoded images, decoded when they are read; the size has been checked. */
export async function openImageSet(source: EncodedImages, options: ImageFileOptions): Promise<Dataset> {
  const { name, classes } = source;
  const { size, channels = 3, skipBad = false } = options;
  const pixels = size * size * channels;
  const decode = createDecoder(source, options);
  const checked = skipBad ? await withoutBad(source, decode) : undefined;
  const { length, labels } = checked ?? source;

  const read = async (indices: ArrayLike<number>): Promise<ImageBatch> => {
    checkIndices(indices, length);
    const out = new Uint8Array(indices.length * pixels);
    await mapConcurrent(Array.from(indices), CONCURRENT, async (index, n) => {
      out.set(await decodeOrRefuse(decode, checked ? checked.good[index]! : index), n * pixels);
    });
    return labels ? { images: out, labels: Int32Array.from(indices, (index) => labels[index]!) } : { images: out };
  };
  let hash = checked && Promise.resolve(checked.sha256);
  return {
    name,
    length,
    shape: [size, size, channels],
    classes,
    notes: [...source.notes, ...(checked?.notes ?? [])],
    hash() {
      hash ??= hashAll(length, labels, read);
      return hash;
    },
    read,
  };
}

type Decode = (index: number) => Promise<Uint8Array>;

/** Decodes images by number, as many at a time as there is memory for, and stops where too much comes out of too little. */
function createDecoder({ name, pathOf, bytesOf, load }: EncodedImages, options: ImageFileOptions): Decode {
  const limits = resolveLimits(options.limits);
  let [decoded, stored] = [0, 0];
  return async (index) =>
    ENCODED.run(await bytesOf(index), async () => {
      const path = pathOf(index);
      const { bytes, storedBytes } = await load(index);
      stored += storedBytes;
      const header = await readImageHeader(bytes, path, limits);
      if (decoded + header.decodedBytes > FREE_DECODED_BYTES + limits.maxRatio * stored) {
        throw limitError(
          `${name}: with ${path}, images of ${stored} bytes have been decoded to ${decoded + header.decodedBytes} bytes`,
          limits.maxRatio,
          'maxRatio',
        );
      }
      decoded += header.decodedBytes;
      return (await decodeImage(bytes, path, header, options)).data;
    });
}

/** Throws a DataError that names the image, and what leaves it out. */
async function decodeOrRefuse(decode: Decode, index: number): Promise<Uint8Array> {
  try {
    return await decode(index);
  } catch (cause) {
    throw cause instanceof DataError && cause.code === 'DATA_CORRUPT'
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
async function withoutBad(source: EncodedImages, decode: Decode) {
  const good: number[] = [];
  const named: string[] = [];
  let bad = 0;
  const hash = createContentHash();
  for (let start = 0; start < source.length; start += PASS_BATCH) {
    const batch = Array.from({ length: Math.min(PASS_BATCH, source.length - start) }, (_, i) => start + i);
    const decoded = await mapConcurrent(batch, CONCURRENT, async (index) => {
      try {
        return await decode(index);
      } catch (error) {
        if (error instanceof DataError) return error.message;
        throw error;
      }
    });
    decoded.forEach((result, i) => {
      if (typeof result === 'string') {
        bad++;
        if (named.length < NAMED) named.push(result);
      } else {
        good.push(start + i);
        hash.add(result);
      }
    });
  }
  if (good.length === 0) {
    throw new DataError(`${source.name}: none of its ${bad} images can be decoded, such as ${named[0]}`, {
      code: 'DATA_EMPTY',
    });
  }
  const labels = source.labels && Int32Array.from(good, (index) => source.labels![index]!);
  const more = bad > NAMED ? [`... and ${bad - NAMED} more bad images.`] : [];
  return {
    good,
    length: good.length,
    labels,
    sha256: hash.digest(labels),
    notes: bad === 0 ? [] : [`${bad} of ${source.length} images left out, as they are bad:`, ...named, ...more],
  };
}
