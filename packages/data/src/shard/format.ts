import type { FloatType } from '../dataset.js';
import { DataError, reasonOf } from '../errors.js';
import { checkLabels, imageBytes } from '../checks.js';
import type { Sha256 } from '../sha256.js';

// A shard is one file. Integers are little-endian.
//
//   position      bytes      what
//   0             8          "DMSHARD\n"
//   8             4          version, uint32: 2
//   12            4          0
//   16            8          position of the description, uint64
//   24            8          bytes of the description, uint64
//   32            32         SHA-256 of the description
//   64            N H W C    images, uint8 [N, H, W, C]; or floats, float32 or float16 [N, H, W, C], if the description
//                            has a dtype
//   .             4 N        labels, int32 [N]; only if the dataset has labels
//   .             .          description, JSON: `ShardDescription`; at the end of the file
//
// A check covers every byte: the position of the description covers the preamble, the SHA-256 in the preamble covers
// the description, and the SHA-256 in the description covers images and labels.

export interface ShardDescription {
  readonly name: string;
  readonly length: number;
  /** [H, W, C]. */
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  readonly labeled: boolean;
  /** Only with data of floats, such as latents. */
  readonly dtype?: FloatType;
  /** SHA-256 (hex) of images and labels: `Dataset.hash()` of the original dataset. */
  readonly sha256: string;
}

const SHARD_VERSION = 2;
export const PREAMBLE_BYTES = 64;
const MAGIC = new TextEncoder().encode('DMSHARD\n');
/** Prevents the allocation of a damaged length. 100,000 classes with long names use a tenth of it. */
const MAX_DESCRIPTION_BYTES = 2 ** 26;

export interface Preamble {
  /** Position of the description. */
  readonly start: number;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** The bytes of the preamble and the description; `dataBytes` is the size of images and labels. */
export async function formatHead(
  description: ShardDescription,
  dataBytes: number,
  sha256: Sha256,
): Promise<{ readonly preamble: Uint8Array; readonly text: Uint8Array }> {
  const text = new TextEncoder().encode(`${JSON.stringify(description)}\n`);
  const preamble = new Uint8Array(PREAMBLE_BYTES);
  const view = new DataView(preamble.buffer);
  preamble.set(MAGIC);
  view.setUint32(8, SHARD_VERSION, true);
  view.setBigUint64(16, BigInt(PREAMBLE_BYTES + dataBytes), true);
  view.setBigUint64(24, BigInt(text.length), true);
  const digest = await sha256([text]);
  for (let i = 0; i < 32; i++) preamble[32 + i] = Number.parseInt(digest.slice(2 * i, 2 * i + 2), 16);
  return { preamble, text };
}

/**
 * Parses the preamble of a shard of `fileBytes` bytes.
 * @throws {DataError} if it is not a shard, truncated, damaged, or of another version; the message names the file
 */
export function parsePreamble(bytes: Uint8Array, path: string, fileBytes: number): Preamble {
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw new DataError(`${path}: not a shard: its first bytes differ.`);
  if (bytes.length < PREAMBLE_BYTES)
    throw new DataError(`${path}: truncated within its first ${PREAMBLE_BYTES} bytes.`, { code: 'DATA_CORRUPT' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  if (version !== SHARD_VERSION) {
    throw new DataError(
      `${path}: a shard of version ${version}; this program reads version ${SHARD_VERSION} and the folders of version 1. ` +
        'Prepare it again, or use the program that wrote it.',
      { code: 'DATA_UNSUPPORTED' },
    );
  }
  const [start, length] = [view.getBigUint64(16, true), view.getBigUint64(24, true)];
  if (start + length > BigInt(fileBytes)) {
    throw new DataError(
      `${path}: truncated: it has ${fileBytes} of ${start + length} bytes. Copy or prepare it again.`,
      { code: 'DATA_CORRUPT' },
    );
  }
  if (
    view.getUint32(12, true) !== 0 ||
    start < BigInt(PREAMBLE_BYTES) ||
    length > BigInt(MAX_DESCRIPTION_BYTES) ||
    start + length !== BigInt(fileBytes)
  ) {
    throw new DataError(
      `${path}: damaged: its first ${PREAMBLE_BYTES} bytes do not match its size of ${fileBytes} bytes.`,
      { code: 'DATA_CORRUPT' },
    );
  }
  const sha256 = Array.from(bytes.subarray(32, PREAMBLE_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { start: Number(start), bytes: Number(length), sha256 };
}

/**
 * Parses the description of a shard and checks it against the size of the data.
 * @throws {DataError} if it is damaged or does not match
 */
export async function parseDescription(
  text: Uint8Array,
  path: string,
  preamble: Preamble,
  sha256: Sha256,
): Promise<ShardDescription> {
  if ((await sha256([text])) !== preamble.sha256) {
    throw new DataError(`${path}: damaged: the SHA-256 of its description does not match. Prepare it again.`, {
      code: 'DATA_CORRUPT',
    });
  }
  let json: Partial<ShardDescription> | null;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(text)) as Partial<ShardDescription> | null;
  } catch (cause) {
    throw new DataError(`${path}: its description is not JSON (${reasonOf(cause)}).`, { cause });
  }
  const description = checkedDescription(json, path);
  const { length, shape, labeled } = description;
  const dataBytes = length * exampleBytes(path, description) + (labeled ? 4 * length : 0);
  if (preamble.start !== PREAMBLE_BYTES + dataBytes) {
    throw new DataError(
      `${path}: ${length} images of ${shape.join('x')}${labeled ? ' with labels' : ''} take ${dataBytes} bytes, ` +
        `but it has ${preamble.start - PREAMBLE_BYTES}.`,
    );
  }
  return description;
}

/**
 * Bytes of one image, or of one array of floats.
 * @throws {DataError} if the shape is not [H, W, C]
 */
export function exampleBytes(path: string, { shape, dtype }: Pick<ShardDescription, 'shape' | 'dtype'>): number {
  return imageBytes(path, shape) * (dtype === undefined ? 1 : dtype === 'float16' ? 2 : 4);
}

/** @throws {DataError} if a field is missing or has another type */
export function checkedDescription(json: Partial<ShardDescription> | null, path: string): ShardDescription {
  const { name, length, shape, classes, labeled, dtype, sha256 } = json ?? {};
  if (
    typeof name !== 'string' ||
    !Number.isSafeInteger(length) ||
    length! < 1 ||
    !Array.isArray(shape) ||
    !isTexts(classes) ||
    typeof labeled !== 'boolean' ||
    (dtype !== undefined && dtype !== 'float32' && dtype !== 'float16') ||
    typeof sha256 !== 'string'
  ) {
    throw new DataError(`${path}: name, length, shape, classes, labels or SHA-256 are missing or have another type.`);
  }
  imageBytes(path, shape);
  return { name, length: length!, shape, classes, labeled, ...(dtype !== undefined && { dtype }), sha256 };
}

/**
 * Parses the labels of a shard.
 * @throws {DataError} if a label is out of range
 */
export function parseLabels(bytes: Uint8Array, path: string, length: number, classes: readonly string[]): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const labels = Int32Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getInt32(i * 4, true));
  checkLabels(path, labels, length, classes);
  return labels;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
