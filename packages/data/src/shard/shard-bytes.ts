import type { Dataset } from '../dataset.js';
import { DataError } from '../errors.js';
import { imageBytes } from '../checks.js';
import { memoryDataset } from '../datasets/memory-dataset.js';
import { labelBytes } from '../label-bytes.js';
import type { Sha256 } from '../sha256.js';
import { formatHead, parseDescription, parseLabels, parsePreamble, PREAMBLE_BYTES } from './format.js';

/** The bytes of a shard of the whole dataset; see `formatShard`. */
export async function shardOf(dataset: Dataset, sha256: Sha256): Promise<Uint8Array> {
  const { name, length, shape, classes } = dataset;
  const { images, labels } = await dataset.read(Array.from({ length }, (_, i) => i));
  const data = labels === undefined ? [images] : [images, labelBytes(labels)];
  const labeled = labels !== undefined;
  const description = { name, length, shape, classes, labeled, sha256: await sha256(data) };
  const dataBytes = data.reduce((sum, part) => sum + part.length, 0);
  const { preamble, text } = await formatHead(description, dataBytes, sha256);
  const bytes = new Uint8Array(PREAMBLE_BYTES + dataBytes + text.length);
  let end = 0;
  for (const part of [preamble, ...data, text]) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

/** The dataset of a shard in memory, whose bytes are not copied; see `parseShard`. */
export async function datasetOf(bytes: Uint8Array, source: string, sha256: Sha256): Promise<Dataset> {
  const preamble = parsePreamble(bytes.subarray(0, PREAMBLE_BYTES), source, bytes.length);
  const text = bytes.subarray(preamble.start);
  const description = await parseDescription(text, source, preamble, sha256);
  const { name, length, shape, classes, labeled, dtype, ...expected } = description;
  if (dtype !== undefined) {
    throw new DataError(`${source}: a shard of ${dtype} latents, which is read from a file only (openShard).`, {
      code: 'DATA_UNSUPPORTED',
    });
  }
  const end = PREAMBLE_BYTES + length * imageBytes(source, shape);
  const labels = labeled ? parseLabels(bytes.subarray(end, preamble.start), source, length, classes) : undefined;
  const images = bytes.subarray(PREAMBLE_BYTES, end);
  const dataset = memoryDataset({ name, images, shape, classes, ...(labels && { labels }) }, sha256);
  if ((await dataset.hash()) === expected.sha256) return dataset;
  throw new DataError(`${source}: damaged: the SHA-256 of its images and labels does not match.`, {
    code: 'DATA_CORRUPT',
  });
}
