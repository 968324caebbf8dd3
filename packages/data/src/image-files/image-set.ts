import { mapConcurrent } from '../io/map-concurrent.js';
import type { Dataset, ImageBatch } from '../dataset.js';
import { decodeImage, type DecodeOptions } from '../formats/decode-image.js';
import { readImageHeader } from '../formats/image-header.js';
import { createByteBudget } from '../io/byte-budget.js';
import { limitError, resolveLimits } from '../limits.js';
import { DataError } from '../errors.js';
import { checkIndices } from '../checks.js';
import { createContentHash } from '../content-hash.js';
import { holdOutNote, indicesOfPart, isHeldOut, type HoldOutOptions } from '../datasets/hold-out.js';

export interface ImageFileOptions extends DecodeOptions {
  /**
   * Skip images that cannot be read or decoded, and report them in `notes`. Decodes all images once when the dataset is
   * opened. Default false: `read` throws an error that names the first one.
   */
  readonly skipBad?: boolean;
  /**
   * Hold out a share of the images, chosen by the bytes of their files, so independently of size and decoder. Reads all
   * files once when the dataset is opened. Default: none.
   */
  readonly holdOut?: HoldOutOptions;
}

/** Encoded images in a folder or archive, with their classes. */
export interface EncodedImages {
  readonly name: string;
  readonly classes: readonly string[];
  readonly labels: Int32Array | undefined;
  readonly notes: readonly string[];
  readonly length: number;
  /** Path of an image, for errors. */
  readonly pathOf: (index: number) => string;
  /**
   * Reads an image.
   * @throws {DataError} if it cannot be read; the message names it
   */
  readonly load: (index: number) => Promise<EncodedImage>;
  /**
   * Bytes that `load` will allocate.
   * @throws {DataError} if they exceed `limits.maxFileBytes`; the message names the image
   */
  readonly bytesOf: (index: number) => Promise<number>;
}

export interface EncodedImage {
  readonly bytes: Uint8Array;
  /** Size in the folder or archive, compressed or not. */
  readonly storedBytes: number;
}

/** Images decoded at a time; libuv's pool has four threads by default. */
const CONCURRENT = 8;
/** Images per batch when all are read. */
const PASS_BATCH = 64;
/** Maximum number of bad images to list. */
const NAMED = 5;

/** Memory for all encoded images held at a time in this process. */
const ENCODED = createByteBudget(2 ** 27);
/** Decoded bytes of a dataset before `limits.maxRatio` applies. */
const FREE_DECODED_BYTES = 2 ** 30;

/** A dataset of encoded images, decoded on demand; the caller has checked the size. */
export async function openImageSet(all: EncodedImages, options: ImageFileOptions): Promise<Dataset> {
  const source = options.holdOut === undefined ? all : await partOf(all, options.holdOut, options.skipBad);
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
    nameOf: (index) => source.pathOf(checked ? checked.good[index]! : index),
    notes: [...source.notes, ...(checked?.notes ?? [])],
    hash() {
      hash ??= hashAll(length, labels, read);
      return hash;
    },
    read,
  };
}

/** The part of the images that `holdOut` selects. With `skipBad`, both parts include those that cannot be read. */
async function partOf(source: EncodedImages, options: HoldOutOptions, skipBad = false): Promise<EncodedImages> {
  const { name, labels, notes, length, pathOf, bytesOf, load } = source;
  const all = Array.from({ length }, (_, index) => index);
  const heldOut = await mapConcurrent(all, CONCURRENT, async (index) => {
    try {
      return await ENCODED.run(await bytesOf(index), async () => isHeldOut((await load(index)).bytes, options.share));
    } catch (error) {
      if (skipBad && error instanceof DataError) return options.part === 'heldOut';
      throw withHint(error);
    }
  });
  const indices = indicesOfPart(name, heldOut, options);
  return {
    ...source,
    labels: labels && Int32Array.from(indices, (index) => labels[index]!),
    notes: [...notes, holdOutNote(indices.length, length, options)],
    length: indices.length,
    pathOf: (index) => pathOf(indices[index]!),
    bytesOf: (index) => bytesOf(indices[index]!),
    load: (index) => load(indices[index]!),
  };
}

type Decode = (index: number) => Promise<Uint8Array>;

/** Decodes images by index, as many at a time as memory permits, and enforces `limits.maxRatio`. */
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

/** @throws {DataError} if the image cannot be decoded; the message names it and suggests skipBad */
async function decodeOrRefuse(decode: Decode, index: number): Promise<Uint8Array> {
  try {
    return await decode(index);
  } catch (error) {
    throw withHint(error);
  }
}

function withHint(cause: unknown): unknown {
  return cause instanceof DataError && cause.code === 'DATA_CORRUPT'
    ? new DataError(`${cause.message} skipBad (--skip-bad) skips such images.`, { code: cause.code, cause })
    : cause;
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

/** Indices of the images that can be decoded, their hash, and notes about the others. */
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
    notes: bad === 0 ? [] : [`${bad} of ${source.length} images skipped because they are bad:`, ...named, ...more],
  };
}
