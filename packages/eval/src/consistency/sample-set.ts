import { EvalError } from '../errors.js';

/** Samples of one model. All sets that are compared must use the same noise in the same order. */
export interface SampleSet {
  readonly name: string;
  /** [N, ...]: pixels or features, float32, float64, or uint8, in the same range in all sets. */
  readonly samples: Float32Array | Float64Array | Uint8Array;
}

/**
 * The samples as N rows in float64.
 * @throws {RangeError} if the shape is invalid
 * @throws {EvalError} if the length is not a multiple of the sample size, there are fewer than two samples, or a value
 * is not finite; the message names the set
 */
export function sampleRows(set: SampleSet, shape: readonly number[]): Float64Array[] {
  if (shape.length === 0 || shape.some((side) => !Number.isInteger(side) || side < 1)) {
    throw new RangeError(`The shape of a sample is [${shape.join(', ')}]; it must be a list of positive integers.`);
  }
  const size = shape.reduce((product, side) => product * side, 1);
  const { name, samples } = set;
  if (samples.length % size !== 0) {
    throw new EvalError(
      'SET_INVALID',
      `${name}: ${samples.length} numbers are not a multiple of the sample shape [${shape.join(', ')}].`,
    );
  }
  const count = samples.length / size;
  if (count < 2) throw new EvalError('SET_TOO_SMALL', `${name}: ${count} samples; at least 2 are needed.`);
  const bad = samples.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new EvalError('NOT_FINITE', `${name}: sample ${Math.floor(bad / size)} has the value ${samples[bad]}.`);
  return Array.from({ length: count }, (_, n) => Float64Array.from(samples.subarray(n * size, (n + 1) * size)));
}
