import { createHash } from 'node:crypto';
import { fileKind, makeFolder, parseJson } from '@dm/files';
import { dirname, join, resolve } from 'node:path';
import { readNpz, writeNpz, type NpyArray } from '@dm/data';
import { EvalError } from '../errors.js';
import { checkSameExtractor, type ImageFeatures } from './extract-features.js';
import type { ExtractorIdentity } from '../extractors/feature-extractor.js';
import type { Features } from '../metrics/features.js';
import type { FeatureStatistics } from '../metrics/statistics.js';

/** Version of the file format. */
const FORMAT = 1;

interface Metadata {
  readonly format: number;
  readonly name: string;
  readonly sha256: string;
  readonly count: number;
  readonly shape: readonly [number, number, number];
  readonly extractor: ExtractorIdentity;
  readonly notes: readonly string[];
  /** SHA-256 of the bytes of each array. */
  readonly arrays: Readonly<Record<string, string>>;
}

/** Path of the cached statistics of these images by this extractor. */
export function statisticsPath(folder: string, sha256: string, extractor: ExtractorIdentity): string {
  const { name, weightsSha256, resize, dimensions } = extractor;
  const key = createHash('sha256')
    .update(JSON.stringify([FORMAT, sha256, name, weightsSha256, resize, dimensions]))
    .digest('hex');
  return join(folder, `${name.replaceAll(/[^\w.-]/g, '-')}-${key.slice(0, 24)}.npz`);
}

/**
 * Writes statistics, and features if the set has them, as an .npz: `mu` and `sigma` as in pytorch-fid, `features`,
 * `spatial_mu`, `spatial_sigma`, and `metadata` (JSON as bytes). The write is atomic.
 * @throws {RangeError} if the set has no hash, so that the file could not be matched with its images
 */
export async function writeStatistics(path: string, set: ImageFeatures): Promise<void> {
  if (set.sha256 === undefined)
    throw new RangeError(`${set.name} has no hash of its images, so its statistics cannot be saved.`);
  const arrays: Record<string, NpyArray> = {
    ...statisticsArrays('', set.statistics),
    ...(set.spatial !== undefined && statisticsArrays('spatial_', set.spatial)),
    ...(set.features !== undefined && {
      features: { shape: [set.count, set.features.dimension], data: set.features.values },
    }),
  };
  const metadata: Metadata = {
    format: FORMAT,
    name: set.name,
    sha256: set.sha256,
    count: set.count,
    shape: set.shape,
    extractor: set.extractor,
    notes: set.notes,
    arrays: Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, hashOf(array)])),
  };
  const json = new TextEncoder().encode(JSON.stringify(metadata));
  makeFolder(dirname(resolve(path)));
  await writeNpz(path, { ...arrays, metadata: { shape: [json.length], data: json } });
}

/** Whether an .npz holds statistics rather than images. */
export async function isStatisticsFile(path: string): Promise<boolean> {
  return Object.hasOwn(await readNpz(path), 'mu');
}

/**
 * Reads a file written by `writeStatistics`.
 * @throws {EvalError} if the file is damaged, was written by another program (its extractor is then unknown), or comes
 * from another extractor than `expected`; the message names the file
 * @throws {DataError} if the file is not a readable .npz
 */
export async function readStatistics(path: string, expected?: ExtractorIdentity): Promise<ImageFeatures> {
  const arrays = await readNpz(path);
  const metadata = readMetadata(path, arrays['metadata']);
  const { metadata: _, ...present } = arrays;
  for (const name of new Set(['mu', 'sigma', ...Object.keys(metadata.arrays), ...Object.keys(present)])) {
    const array = present[name];
    if (array === undefined || hashOf(array) !== metadata.arrays[name]) {
      throw new EvalError(
        'STATISTICS_INVALID',
        `${path} is damaged: ${name} ${array === undefined ? 'is missing' : 'does not match its SHA-256'}.`,
      );
    }
  }
  if (expected !== undefined) checkSameExtractor(metadata.extractor, expected, [path, 'the requested extractor']);
  const { name, sha256, count, shape, extractor, notes } = metadata;
  return {
    name,
    sha256,
    count,
    shape,
    extractor,
    notes,
    statistics: statisticsOf(path, '', arrays, count, extractor.dimensions),
    ...(arrays['spatial_mu'] !== undefined && { spatial: statisticsOf(path, 'spatial_', arrays, count) }),
    ...(arrays['features'] !== undefined && {
      features: featuresOf(path, arrays['features'], count, extractor.dimensions),
    }),
  };
}

/**
 * The cached statistics in `folder` for these images and this extractor. Returns undefined if there are none, they lack
 * the needed features, or the file is damaged; damage is reported to `onNote` instead of thrown.
 * @throws {FileError} if the folder cannot be accessed
 */
export async function cachedStatistics(
  folder: string,
  sha256: string,
  extractor: ExtractorIdentity,
  { needsFeatures = false, onNote }: { needsFeatures?: boolean; onNote?: (text: string) => void } = {},
): Promise<ImageFeatures | undefined> {
  const path = statisticsPath(folder, sha256, extractor);
  if (fileKind(path) === undefined) return undefined;
  try {
    const set = await readStatistics(path, extractor);
    if (set.sha256 !== sha256) throw new EvalError('STATISTICS_INVALID', `${path} holds statistics of other images.`);
    return needsFeatures && set.features === undefined ? undefined : set;
  } catch (error) {
    onNote?.(`${(error as Error).message} It will be computed again.`);
    return undefined;
  }
}

function statisticsArrays(prefix: string, { mean, covariance, dimension }: FeatureStatistics) {
  return {
    [`${prefix}mu`]: { shape: [dimension], data: mean },
    [`${prefix}sigma`]: { shape: [dimension, dimension], data: covariance },
  };
}

function statisticsOf(
  path: string,
  prefix: string,
  arrays: Readonly<Record<string, NpyArray>>,
  count: number,
  dimensions?: number,
): FeatureStatistics {
  const [mean, covariance] = [arrays[`${prefix}mu`]?.data, arrays[`${prefix}sigma`]?.data];
  if (
    !(mean instanceof Float64Array && covariance instanceof Float64Array) ||
    mean.length !== (dimensions ?? mean.length) ||
    covariance.length !== mean.length * mean.length ||
    !(mean.every(Number.isFinite) && covariance.every(Number.isFinite))
  ) {
    throw new EvalError(
      'STATISTICS_INVALID',
      `${path} is damaged: ${prefix}mu and ${prefix}sigma must be float64 [d] and [d, d], finite, with d the extractor's dimension.`,
    );
  }
  return { count, dimension: mean.length, mean, covariance };
}

function featuresOf(path: string, { data }: NpyArray, count: number, dimension: number): Features {
  if (data instanceof Float32Array && data.length === count * dimension) return { values: data, dimension };
  throw new EvalError('STATISTICS_INVALID', `${path} is damaged: features must be float32 [${count}, ${dimension}].`);
}

function readMetadata(path: string, array: NpyArray | undefined): Metadata {
  if (!(array?.data instanceof Uint8Array)) {
    throw new EvalError(
      'STATISTICS_INVALID',
      `${path} has no metadata: its extractor is unknown, so nothing can be compared with it. ` +
        'Compute the statistics from the images instead.',
    );
  }
  let json: unknown;
  try {
    json = parseJson(new TextDecoder().decode(array.data), `${path}: metadata`);
  } catch (cause) {
    throw new EvalError('STATISTICS_INVALID', `${path} is damaged: its metadata is not JSON.`, { cause });
  }
  const metadata = fieldsOf(json);
  if (typeof metadata['format'] === 'number' && metadata['format'] !== FORMAT) {
    throw new EvalError(
      'STATISTICS_INVALID',
      `${path} has format ${metadata['format']}; this version reads ${FORMAT}. Compute the statistics again.`,
    );
  }
  // Check the fields that every file of this format has before any of them is used.
  const extractor = fieldsOf(metadata['extractor']);
  const hashes = Object.values(fieldsOf(metadata['arrays']));
  const shape: unknown = metadata['shape'];
  const notes: unknown = metadata['notes'];
  const holds: Readonly<Record<string, boolean>> = {
    format: metadata['format'] === FORMAT,
    name: isText(metadata['name']),
    sha256: isText(metadata['sha256']),
    count: isCount(metadata['count'], 2),
    shape: Array.isArray(shape) && shape.length === 3 && shape.every((side) => isCount(side, 1)),
    extractor:
      ['name', 'weightsSha256', 'resize'].every((field) => isText(extractor[field])) &&
      isCount(extractor['dimensions'], 1) &&
      typeof extractor['comparable'] === 'boolean',
    notes: Array.isArray(notes) && notes.every(isText),
    arrays: hashes.length > 0 && hashes.every(isText),
  };
  const wrong = Object.keys(holds).find((field) => holds[field] === false);
  if (wrong === undefined) return json as Metadata;
  throw new EvalError('STATISTICS_INVALID', `${path} is damaged: its metadata has no valid ${wrong}.`);
}

const isText = (value: unknown): boolean => typeof value === 'string';

const isCount = (value: unknown, atLeast: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= atLeast;

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function hashOf({ shape, data }: NpyArray): string {
  return createHash('sha256')
    .update(JSON.stringify(shape))
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
}
