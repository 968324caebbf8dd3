import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `DATA_INVALID`: contents that contradict themselves or another file, or are not of the format (the default).
 * - `DATA_NOT_FOUND`: no such file or folder.
 * - `DATA_NOT_INSTALLED`: the npm package or the download that holds the images is missing.
 * - `DATA_UNKNOWN`: no data set has this name.
 * - `DATA_OPTION`: an option, such as the image size, that does not fit the data.
 * - `DATA_UNREADABLE`: the operating system refuses to read a file.
 * - `DATA_CORRUPT`: truncated or damaged.
 * - `DATA_UNSUPPORTED`: a variant of a known format that is not read, such as an encrypted zip archive.
 * - `DATA_EMPTY`: no images.
 * - `DATA_NOT_WRITTEN`: the disk refuses to write a file.
 * - `DATA_LIMIT`: more than a limit of `DataLimits` allows; the message names it.
 */
export type DataErrorCode =
  | 'DATA_INVALID'
  | 'DATA_NOT_FOUND'
  | 'DATA_NOT_INSTALLED'
  | 'DATA_UNKNOWN'
  | 'DATA_OPTION'
  | 'DATA_UNREADABLE'
  | 'DATA_CORRUPT'
  | 'DATA_UNSUPPORTED'
  | 'DATA_EMPTY'
  | 'DATA_NOT_WRITTEN'
  | 'DATA_LIMIT';

/**
 * What is wrong with data: a file that is missing, damaged or of another kind, a set that is empty or contradicts
 * itself. The message names the file, the fault and what would be right. Every reader of this package throws this and
 * nothing else on whatever bytes it is given.
 */
export class DataError extends DmError<DataErrorCode> {
  override readonly name = 'DataError';

  constructor(message: string, options: DmErrorOptions<DataErrorCode> = {}) {
    super(message, { code: 'DATA_INVALID', ...options });
  }
}

/** The message of anything thrown, each of its lines once, without blanks and a full stop at its end. */
export function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).trim().replace(/\.$/, '');
  return [...new Set(text.split(/\s*\n\s*/))].join('; ');
}
