import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../dataset.js';
import { DataError, reasonOf } from '../errors.js';
import { fileError, readBytes, readPieces } from '../io/read-file.js';
import { imageBytes, shortJson } from '../checks.js';
import { readRawImages } from '../io/raw-images.js';
import { checkedDescription, parseLabels, type ShardDescription } from './format.js';

// Version 1 of a shard was a folder: images.u8 (uint8 [N, H, W, C]), labels.i32 (little-endian int32 [N], if there are
// labels) and manifest.json with size and SHA-256 of each. Read only; new shards are single files (version 2).

const IMAGES = 'images.u8';
const LABELS = 'labels.i32';
const MANIFEST = 'manifest.json';

interface FileRecord {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * Opens a shard of version 1.
 * @throws {DataError} if a file is missing, damaged, or of another version; the message names it
 */
export async function openShardFolder(dir: string): Promise<Dataset> {
  const { description, images, labels: labelRecord } = await readManifest(dir);
  const { name, length, shape, classes } = description;
  const labels = labelRecord && parseLabels(await readBytes(join(dir, LABELS)), join(dir, LABELS), length, classes);
  const path = join(dir, IMAGES);
  const layout = { path, start: 0, imageBytes: imageBytes(dir, shape), length, labels };
  let hash: Promise<string> | undefined;
  return {
    name,
    length,
    shape,
    classes,
    hash() {
      hash ??= checkBytes(dir, images, labelRecord);
      return hash;
    },
    read: (indices) => readRawImages(layout, indices),
  };
}

async function readManifest(
  dir: string,
): Promise<{ description: ShardDescription; images: FileRecord; labels: FileRecord | undefined }> {
  const path = join(dir, MANIFEST);
  const bytes = await readBytes(path).catch((cause: unknown) => {
    if (cause instanceof DataError && cause.code !== 'DATA_NOT_FOUND') throw cause;
    throw new DataError(`${dir}: not a shard (${MANIFEST} is missing).`, { code: 'DATA_NOT_FOUND', cause });
  });
  let manifest: Record<string, unknown> | null;
  try {
    manifest = JSON.parse(bytes.toString()) as Record<string, unknown> | null;
  } catch (cause) {
    throw new DataError(`${path}: not JSON (${reasonOf(cause)}).`, { cause });
  }
  if (manifest?.['format'] !== 'dm-shard') throw new DataError(`${path}: not the manifest of a shard.`);
  if (manifest['version'] !== 1) {
    throw new DataError(`${path}: version ${shortJson(manifest['version'])}; folders must have version 1.`, {
      code: 'DATA_UNSUPPORTED',
    });
  }
  const files = Object.entries((manifest['files'] ?? {}) as Record<string, FileRecord | null>);
  const description = checkedDescription({ ...manifest, labeled: files.length > 1, sha256: '' }, path);
  for (const [file, record] of files) {
    if (file !== IMAGES && file !== LABELS) throw new DataError(`${path}: unknown file ${file}.`);
    const found = await stat(join(dir, file)).catch((cause: unknown) => {
      throw fileError(join(dir, file), cause);
    });
    if (found.size !== record?.bytes) {
      throw new DataError(`${join(dir, file)}: ${found.size} bytes; the manifest has ${shortJson(record?.bytes)}.`);
    }
  }
  const { [IMAGES]: images, [LABELS]: labels } = Object.fromEntries(files) as Record<string, FileRecord>;
  const { length, shape } = description;
  if (images?.bytes !== length * imageBytes(path, shape)) {
    throw new DataError(`${path}: ${length} images of ${shape.join('x')} do not match the size of ${IMAGES}.`, {
      code: 'DATA_CORRUPT',
    });
  }
  return { description, images, labels };
}

/** SHA-256 of the dataset, after checking each file against the manifest. */
async function checkBytes(dir: string, images: FileRecord, labels: FileRecord | undefined): Promise<string> {
  const all = createHash('sha256');
  for (const [name, { sha256 }] of [[IMAGES, images] as const, ...(labels ? [[LABELS, labels] as const] : [])]) {
    const one = createHash('sha256');
    await readPieces(join(dir, name), (piece) => {
      one.update(piece);
      all.update(piece);
    });
    const found = one.digest('hex');
    if (found !== sha256) {
      throw new DataError(`${join(dir, name)}: damaged: SHA-256 is ${found}; the manifest has ${shortJson(sha256)}.`, {
        code: 'DATA_CORRUPT',
      });
    }
  }
  return all.digest('hex');
}
