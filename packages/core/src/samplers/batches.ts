import { type Arrays, checkInteger, float32, type Float32NdArray, type NdArray } from '@dm/ops';
import { normalBatch } from '../random/draw.js';

/** The images to sample. */
export interface BatchRequest {
  /** A non-negative safe integer. Image i of a seed starts from the same noise in every batch. */
  readonly seed: number;
  /** Number of images, with indices 0 to n - 1. Pass either this or `imageIndices`. */
  readonly n?: number;
  readonly imageIndices?: readonly number[];
  /** Images per model evaluation. Default: all. */
  readonly batchSize?: number;
  /** Initial standard normal noise [N, ...shape], instead of noise drawn from the seed. */
  readonly initialNoise?: NdArray;
  /** Extra inputs of `predict`, [N, ...] each. */
  readonly inputs?: Arrays;
  /** With guidance: inputs of the unconditional model that replace `inputs` of the same names. */
  readonly unconditional?: Arrays;
}

export interface Batch {
  readonly seed: number;
  /** Image index of each row. The last batch is padded to the size of the others, so that the program compiles once. */
  readonly indices: readonly number[];
  readonly first: number;
  /** Rows without padding. */
  readonly count: number;
  readonly initial: Float32NdArray;
  readonly inputs: Arrays;
  readonly unconditional: Arrays;
}

/**
 * Splits a request into batches. `scale` multiplies the initial noise.
 * @throws {RangeError} if a count is below 1, an array does not have one row per image, or not exactly one of `n` and
 * `imageIndices` is given
 */
export function batchesOf(request: BatchRequest, shape: readonly number[], scale: number): Batch[] {
  const { seed, n, imageIndices, initialNoise, inputs = {}, unconditional = {} } = request;
  if ((n === undefined) === (imageIndices === undefined)) {
    throw new RangeError('sample: pass either n or imageIndices');
  }
  if (n !== undefined) checkInteger('sample: n', n, 1);
  const indices = imageIndices ?? Array.from({ length: n! }, (_, i) => i);
  checkInteger('sample: the number of imageIndices', indices.length, 1);
  const batchSize = Math.min(request.batchSize ?? indices.length, indices.length);
  checkInteger('sample: batchSize', batchSize, 1);
  if (initialNoise) checkRows('initialNoise', initialNoise, indices.length, shape);
  for (const [name, array] of Object.entries(inputs)) {
    if (name.includes('/')) throw new RangeError(`sample: the input name "${name}" must not contain "/"`);
    checkRows(`input "${name}"`, array, indices.length);
  }
  for (const [name, array] of Object.entries(unconditional)) {
    const twin = inputs[name];
    if (!twin) throw new RangeError(`sample: unconditional "${name}" has no input of that name to replace`);
    checkRows(`unconditional "${name}"`, array, indices.length, twin.shape.slice(1));
  }
  const batches: Batch[] = [];
  for (let first = 0; first < indices.length; first += batchSize) {
    const rows = Array.from({ length: batchSize }, (_, i) => Math.min(first + i, indices.length - 1));
    const images = rows.map((row) => indices[row]!);
    const noise = initialNoise
      ? takeRows(initialNoise, rows)
      : normalBatch({ seed, stream: 'sample', step: 0, indices: images }, shape);
    batches.push({
      seed,
      indices: images,
      first,
      count: Math.min(batchSize, indices.length - first),
      initial: float32(
        noise.data.map((value) => value * scale),
        noise.shape,
      ),
      inputs: rowsOfAll(inputs, rows),
      unconditional: rowsOfAll(unconditional, rows),
    });
  }
  return batches;
}

function checkRows(what: string, { shape }: NdArray, rows: number, image?: readonly number[]): void {
  const wanted = image ? `[${[rows, ...image].join(', ')}]` : `[${rows}, ...]`;
  if (shape[0] !== rows || (image && String(shape.slice(1)) !== String(image))) {
    throw new RangeError(`sample: ${what} must have shape ${wanted}, got [${shape.join(', ')}]`);
  }
}

function rowsOfAll(arrays: Arrays, rows: readonly number[]): Arrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, takeRows(array, rows)]));
}

function takeRows(array: NdArray, rows: readonly number[]): NdArray {
  const size = array.data.length / array.shape[0]!;
  const data = array.data.slice(0, rows.length * size);
  rows.forEach((row, i) => data.set(array.data.subarray(row * size, (row + 1) * size), i * size));
  return { dtype: array.dtype, shape: [rows.length, ...array.shape.slice(1)], data };
}

/** The first `count` rows. */
export function firstRows(array: NdArray, count: number): Float32NdArray {
  const size = array.data.length / array.shape[0]!;
  return float32(array.data.slice(0, count * size), [count, ...array.shape.slice(1)]);
}

/** Concatenates batches of images of this shape. */
export function joined(parts: readonly Float32Array[], shape: readonly number[]): Float32NdArray {
  const data = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  const size = shape.reduce((product, d) => product * d, 1);
  return float32(data, [data.length / size, ...shape]);
}
