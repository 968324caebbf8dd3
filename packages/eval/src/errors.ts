import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `STATISTICS_INVALID`: a statistics file is damaged, or belongs to another version or other images.
 * - `EXTRACTOR_MISMATCH`: features or statistics come from different extractors, so they cannot be compared.
 * - `FEATURES_MISSING`: a metric needs features that the extractor does not provide or the set did not keep.
 * - `SET_INVALID`: a set cannot be read, mixes image sizes, or has an invalid shape or values.
 * - `SET_TOO_SMALL`: a set has too few images or samples.
 * - `SETS_MISMATCH`: two sets differ in image size, number of samples, or classes.
 * - `IMAGES_UNSUPPORTED`: the extractor does not support images of this shape.
 * - `WEIGHTS_NOT_FOUND`: an extractor's weights file is missing.
 * - `WEIGHTS_INVALID`: a weights file cannot be read, or does not fit the network.
 * - `RECORDS_INVALID`: difficulty records are too few, do not fit the buckets, or are out of order.
 * - `NOT_FINITE`: a sample, feature, statistic, gradient or loss is not finite.
 */
export type EvalErrorCode =
  | 'STATISTICS_INVALID'
  | 'EXTRACTOR_MISMATCH'
  | 'FEATURES_MISSING'
  | 'SET_INVALID'
  | 'SET_TOO_SMALL'
  | 'SETS_MISMATCH'
  | 'IMAGES_UNSUPPORTED'
  | 'WEIGHTS_NOT_FOUND'
  | 'WEIGHTS_INVALID'
  | 'RECORDS_INVALID'
  | 'NOT_FINITE';

/** Sets, statistics or weights that are missing, damaged, or do not match. `code` identifies the failure. */
export class EvalError extends DmError<EvalErrorCode> {
  override readonly name = 'EvalError';

  constructor(code: EvalErrorCode, message: string, options: Pick<DmErrorOptions, 'cause'> = {}) {
    super(message, { ...options, code });
  }
}
