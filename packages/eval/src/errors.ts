import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `STATISTICS_INVALID`: a file of statistics is damaged, of another version, or of other images.
 * - `EXTRACTOR_MISMATCH`: features or statistics come from different extractors, so they cannot be compared.
 * - `FEATURES_MISSING`: a metric needs what the extractor does not give or the set has not kept.
 * - `SET_INVALID`: a set cannot be read, mixes sizes, or holds values or shapes that no image or sample has.
 * - `SET_TOO_SMALL`: a set has fewer images or samples than are needed.
 * - `SETS_MISMATCH`: two sets differ in the size of their images, in their number, or in their classes.
 * - `IMAGES_UNSUPPORTED`: the extractor does not take images of this shape.
 * - `WEIGHTS_NOT_FOUND`, `WEIGHTS_INVALID`: an extractor's file of weights is missing; it cannot be read or does not fit.
 * - `RECORDS_INVALID`: records of difficulty are too few, do not fit the buckets, or are out of order.
 * - `NOT_FINITE`: a sample, feature, statistic, gradient or loss is not a finite number.
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

/** What cannot be evaluated: sets, statistics or weights that are missing, damaged, or do not fit one another. */
export class EvalError extends DmError<EvalErrorCode> {
  override readonly name = 'EvalError';

  constructor(code: EvalErrorCode, message: string, options: Pick<DmErrorOptions, 'cause'> = {}) {
    super(message, { ...options, code });
  }
}
