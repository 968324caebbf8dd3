import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Dataset, ImageBatch } from './dataset.js';
import { checkIndices, checkLabels, imageBytes, labelBytes } from './memory.js';

// A shard is a folder: images.u8 (uint8 [N, H, W, C]), labels.i32 (little-endian int32 [N], where there are labels)
// and manifest.json, written last. Images are read by position, so a shard may be larger than memory.

export interface ShardManifest {
  readonly format: 'dm-shard';
  readonly version: 1;
  readonly name: string;
  readonly length: number;
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  /** Size and SHA-256 (hex) of each file, by file name. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

export interface ShardContent {
  readonly name: string;
  /** [H, W, C]. */
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  /** Bytes in order, in pieces of any size. */
  readonly images: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** One an image; they are read only after the last image was written. */
  readonly labels?: Int32Array;
}

const IMAGES = 'images.u8';
const LABELS = 'labels.i32';
const MANIFEST = 'manifest.json';
/** Bytes of images that `copyToShard` holds at a time. */
const COPY_BYTES = 2 ** 24;

/**
 * Writes a shard into `dir`. All goes to a sibling folder that is renamed at the end: `dir` is complete or absent.
 * An older `dir` is replaced. Throws an Error where labels and images contradict each other.
 */
export async function writeShard(dir: string, content: ShardContent): Promise<ShardManifest> {
  return replaceFolder(dir, (temporary) => writeShardFiles(temporary, content));
}

/** Any data set as a shard: `dm data prepare`. `onProgress` gets the number of images written so far. */
export async function copyToShard(
  dataset: Dataset,
  dir: string,
  options: { readonly onProgress?: (written: number) => void } = {},
): Promise<ShardManifest> {
  const perRead = Math.max(1, Math.floor(COPY_BYTES / imageBytes(dataset.name, dataset.shape)));
  const labelled = (await dataset.read([0])).labels !== undefined;
  const labels = labelled ? new Int32Array(dataset.length) : undefined;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < dataset.length; start += perRead) {
      const count = Math.min(perRead, dataset.length - start);
      const batch = await dataset.read(Array.from({ length: count }, (_, i) => start + i));
      if (labels && batch.labels) labels.set(batch.labels, start);
      yield batch.images;
      options.onProgress?.(start + count);
    }
  }
  const { name, shape, classes } = dataset;
  // `labels` is filled while the images are written, and written after them.
  return writeShard(dir, { name, shape, classes, images: pieces(), ...(labels && { labels }) });
}

/**
 * Opens a shard and checks its manifest and the sizes of its files; `verifyShard` reads all bytes. Throws an Error that
 * names the file that does not fit.
 */
export async function openShard(dir: string): Promise<Dataset> {
  const manifest = await readManifest(dir);
  const { name, length, shape, classes } = manifest;
  const pixels = imageBytes(dir, shape);
  const labels = manifest.files[LABELS] ? await readLabels(join(dir, LABELS)) : undefined;
  if (labels) checkLabels(dir, labels, length, classes);

  let hash: Promise<string> | undefined;
  return {
    name,
    length,
    shape,
    classes,
    hash() {
      hash ??= hashFiles(labels ? [join(dir, IMAGES), join(dir, LABELS)] : [join(dir, IMAGES)]);
      return hash;
    },
    async read(indices): Promise<ImageBatch> {
      checkIndices(indices, length);
      const images = new Uint8Array(indices.length * pixels);
      const file = await open(join(dir, IMAGES));
      try {
        const readImage = async (index: number, i: number) => {
          const { bytesRead } = await file.read(images, i * pixels, pixels, index * pixels);
          if (bytesRead !== pixels) throw new Error(`${join(dir, IMAGES)}: cut off at image ${index}.`);
        };
        // All at once: one after the other, the round trips to the thread pool would cost more than the reading.
        const read = await Promise.allSettled(Array.from(indices, readImage));
        const failed = read.find((result) => result.status === 'rejected');
        if (failed) throw failed.reason;
      } finally {
        await file.close();
      }
      return labels ? { images, labels: Int32Array.from(indices, (index) => labels[index]!) } : { images };
    },
  };
}

/** Reads every byte of a shard. Throws an Error naming the first file that is not what the manifest says. */
export async function verifyShard(dir: string): Promise<ShardManifest> {
  const manifest = await readManifest(dir);
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    const found = await hashFiles([join(dir, name)]);
    if (found !== sha256) throw new Error(`${join(dir, name)}: SHA-256 is ${found}, the manifest says ${sha256}.`);
  }
  return manifest;
}

/**
 * Fills a temporary sibling of `dir` and renames it to `dir`, replacing what was there. Where `fill` fails, `dir`
 * stays as it was and the sibling is removed.
 */
export async function replaceFolder<T>(dir: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  await mkdir(dirname(dir), { recursive: true });
  const suffix = `${process.pid}-${Date.now().toString(36)}`;
  const temporary = join(dirname(dir), `.${basename(dir)}.${suffix}.tmp`);
  const old = join(dirname(dir), `.${basename(dir)}.${suffix}.old`);
  await mkdir(temporary);
  try {
    const result = await fill(temporary);
    // rename does not replace a folder that has files in it, so an older one steps aside first.
    await rename(dir, old).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(temporary, dir);
    await rm(old, { recursive: true, force: true });
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function writeShardFiles(dir: string, content: ShardContent): Promise<ShardManifest> {
  const { name, shape, classes, labels } = content;
  const pixels = imageBytes(name, shape);
  await mkdir(dir, { recursive: true });
  const images = await writeHashed(join(dir, IMAGES), content.images);
  if (images.bytes === 0 || images.bytes % pixels !== 0) {
    throw new Error(`${name}: ${images.bytes} bytes are no whole number of ${shape.join('x')} images.`);
  }
  const length = images.bytes / pixels;
  const files: Record<string, { bytes: number; sha256: string }> = { [IMAGES]: images };
  if (labels) {
    checkLabels(name, labels, length, classes);
    files[LABELS] = await writeHashed(join(dir, LABELS), [labelBytes(labels)]);
  }
  const manifest: ShardManifest = { format: 'dm-shard', version: 1, name, length, shape, classes, files };
  await writeFile(join(dir, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

async function writeHashed(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<{ bytes: number; sha256: string }> {
  const sha = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'w');
  try {
    for await (const piece of pieces) {
      sha.update(piece);
      bytes += piece.length;
      await file.writeFile(piece);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: sha.digest('hex') };
}

async function readManifest(dir: string): Promise<ShardManifest> {
  const path = join(dir, MANIFEST);
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new Error(`${dir}: no shard there (${MANIFEST} is missing).`, { cause });
  });
  let manifest: Partial<ShardManifest>;
  try {
    manifest = JSON.parse(text) as Partial<ShardManifest>;
  } catch (cause) {
    throw new Error(`${path}: no JSON (${(cause as Error).message}).`, { cause });
  }
  if (manifest?.format !== 'dm-shard') throw new Error(`${path}: not the manifest of a shard.`);
  if (manifest.version !== 1) throw new Error(`${path}: version ${String(manifest.version)}; this reads version 1.`);
  const { name, length, shape, classes, files } = manifest;
  if (
    typeof name !== 'string' ||
    !Number.isSafeInteger(length) ||
    !Array.isArray(shape) ||
    !Array.isArray(classes) ||
    typeof files !== 'object' ||
    files?.[IMAGES]?.bytes !== length! * imageBytes(path, shape)
  ) {
    throw new Error(`${path}: name, length, shape, classes and files are missing or contradict each other.`);
  }
  for (const [file, { bytes }] of Object.entries(files)) {
    if (file !== IMAGES && file !== LABELS) throw new Error(`${path}: unknown file ${file}.`);
    const found = await stat(join(dir, file)).catch((cause: Error) => {
      throw new Error(`${join(dir, file)}: missing, though the manifest names it.`, { cause });
    });
    if (found.size !== bytes) throw new Error(`${join(dir, file)}: ${found.size} bytes, the manifest says ${bytes}.`);
  }
  return manifest as ShardManifest;
}

async function readLabels(path: string): Promise<Int32Array> {
  const bytes = await readFile(path);
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readInt32LE(i * 4));
}

async function hashFiles(paths: readonly string[]): Promise<string> {
  const sha: Hash = createHash('sha256');
  for (const path of paths) {
    for await (const piece of createReadStream(path)) sha.update(piece as Uint8Array);
  }
  return sha.digest('hex');
}
