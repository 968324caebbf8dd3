import { dmCommand } from '@dm/files';
import { checkInteger, checkOptions } from '@dm/ops';
import { DataError } from './errors.js';

/**
 * Resource limits of readers. A small file can unpack to a large amount of data: 38 bytes of WebP to 268 megapixels, a
 * megabyte of gzip to a gigabyte. The defaults keep the memory of this process below 1 GB for any file below 1 MB.
 */
export interface DataLimits {
  /** Pixels of one image. Default 2^26 (67 megapixels, 8192 x 8192). Decoders may use 8 bytes per pixel. */
  readonly maxPixels: number;
  /** Scans of one JPEG, each of which processes the whole image. Default 128; encoders write about 10. */
  readonly maxScans: number;
  /** Bytes of one encoded image, after unpacking if it is in an archive. Default 2^27 (134 MB). */
  readonly maxFileBytes: number;
  /**
   * Unpacked bytes of one gzip file or npz archive. Default 2^28 (268 MB), or 32 times the file size if that is more.
   */
  readonly maxUnpackedBytes: number;
  /**
   * Ratio of decoded bytes to bytes in the files, over all images read, after the first 2^30 decoded bytes. Default
   * 1000; photographs have about 20, flat drawings up to a few hundred.
   */
  readonly maxRatio: number;
  /** Images of one dataset. Default 2^24 (17 million). */
  readonly maxImages: number;
  /** Nesting of folders, on disk and in archives. Default 64. */
  readonly maxDepth: number;
}

const DEFAULT_LIMITS: Omit<DataLimits, 'maxUnpackedBytes'> = {
  maxPixels: 2 ** 26,
  maxScans: 128,
  maxFileBytes: 2 ** 27,
  maxRatio: 1000,
  maxImages: 2 ** 24,
  maxDepth: 64,
};
const MIN_UNPACKED_BYTES = 2 ** 28;
const UNPACKED_RATIO = 32;

/** Names of the limits, for help texts. */
export const limitNames = [...Object.keys(DEFAULT_LIMITS), 'maxUnpackedBytes'] as readonly (keyof DataLimits)[];

/**
 * The limits with defaults; `packedBytes` is the size of the file to unpack.
 * @throws {RangeError} if a limit is unknown or not a positive integer
 */
export function resolveLimits(limits: Partial<DataLimits> = {}, packedBytes = 0): DataLimits {
  checkOptions('limits', limits, limitNames);
  for (const [name, value] of Object.entries(limits)) checkInteger(`limits.${name}`, value, 1);
  const maxUnpackedBytes = Math.max(MIN_UNPACKED_BYTES, UNPACKED_RATIO * packedBytes);
  return { ...DEFAULT_LIMITS, maxUnpackedBytes, ...limits };
}

/** @throws {DataError} if `actual` exceeds the limit; `what` starts the message, such as `x.png: pixels` */
export function checkLimit(what: string, actual: number, limits: DataLimits, name: keyof DataLimits): void {
  if (actual > limits[name]) throw limitError(`${what}: ${actual}`, limits[name], name);
}

/** The error for an exceeded limit, for callers that stop before the actual amount is known. */
export function limitError(what: string, limit: number, name: keyof DataLimits): DataError {
  return new DataError(
    `${what}; the limit is ${limit}. If you trust the file, raise it: ${dmCommand(['data', 'prepare', '<data>'])} --limit ${name}=<number>, ` +
      `or limits.${name} in the library.`,
    { code: 'DATA_LIMIT' },
  );
}
