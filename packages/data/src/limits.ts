import { checkInteger, checkOptions } from '@dm/ops';
import { DataError } from './errors.js';

/**
 * What a reader accepts. A small file can stand for a large amount of data: 38 bytes of WebP for 268 megapixels, a
 * megabyte of gzip for a gigabyte. The defaults hold the memory of this process below 1 GB for any file below 1 MB.
 */
export interface DataLimits {
  /** Pixels of one image. Default 2^26 (67 megapixels, 8192 x 8192). Its decoder may take 8 bytes a pixel. */
  readonly maxPixels: number;
  /** Scans of one JPEG, each of which passes over the whole image. Default 128; encoders write about 10. */
  readonly maxScans: number;
  /** Bytes of one encoded image, unpacked where it lies in an archive. Default 2^27 (134 MB). */
  readonly maxFileBytes: number;
  /** Bytes that one gzip file or npz archive unpacks to. Default 2^28 (268 MB), or 32 times the file where that is more. */
  readonly maxUnpackedBytes: number;
  /**
   * Bytes of decoded images for each byte that they take in their files, over all that are read after the first
   * 2^30 bytes. Default 1000: photographs have about 20, flat drawings up to a few hundred.
   */
  readonly maxRatio: number;
  /** Images of one set. Default 2^24 (17 million). */
  readonly maxImages: number;
  /** Folders within folders, on disk and in archives. Default 64. */
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

/** The limits with defaults; `packedBytes` is the size of the file that is unpacked. @throws {RangeError} on others. */
export function resolveLimits(limits: Partial<DataLimits> = {}, packedBytes = 0): DataLimits {
  checkOptions('limits', limits, limitNames);
  for (const [name, value] of Object.entries(limits)) checkInteger(`limits.${name}`, value, 1);
  const maxUnpackedBytes = Math.max(MIN_UNPACKED_BYTES, UNPACKED_RATIO * packedBytes);
  return { ...DEFAULT_LIMITS, maxUnpackedBytes, ...limits };
}

/** @throws {DataError} if `actual` is above the limit; `what` is the start of the sentence, such as `x.png: pixels`. */
export function checkLimit(what: string, actual: number, limits: DataLimits, name: keyof DataLimits): void {
  if (actual > limits[name]) throw limitError(`${what}: ${actual}`, limits[name], name);
}

/** The error of a limit, for what is found to be too much before all of it is known. */
export function limitError(what: string, limit: number, name: keyof DataLimits): DataError {
  return new DataError(
    `${what}; the limit is ${limit}. If you trust the file, raise it: dm data prepare <data> --limit ${name}=<number>, ` +
      `or limits.${name} in the library.`,
    { code: 'DATA_LIMIT' },
  );
}
