import type { Arrays, DType, NdArray } from './engine.js';

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

/** `float32 [2, 3]`, for messages. */
export const describe = ({ dtype, shape }: { readonly dtype: string; readonly shape: readonly number[] }): string =>
  `${dtype} [${shape.join(', ')}]`;

export const isDType = (dtype: string): dtype is DType => Object.hasOwn(arrayTypes, dtype);

/**
 * Checks that dtype, shape and data of an array agree; `what` begins the message.
 *
 * @throws {TypeError} if the dtype is unknown, or data is not of its array type.
 * @throws {RangeError} if a size is not an integer >= 0, or the elements do not fill the shape.
 */
export function checkArray(what: string, array: NdArray): void {
  const { dtype, shape, data } = array;
  if (!isDType(dtype)) throw new TypeError(`${what}: dtype must be float32, int32 or bool, got ${String(dtype)}`);
  const Type = arrayTypes[dtype];
  if (!(data instanceof Type)) throw new TypeError(`${what}: ${dtype} data must be a ${Type.name}`);
  if (!shape.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new RangeError(`${what}: the shape [${shape.join(', ')}] has a size that is not an integer >= 0`);
  }
  const size = shape.reduce((product, d) => product * d, 1);
  if (data.length !== size) {
    throw new RangeError(`${what}: ${data.length} elements do not fill the shape [${shape.join(', ')}], ${size} would`);
  }
}

/** A copy of values that a TF.js backend handed out (some hand out their own memory), in the dtype's array type. */
export function copyOf(dtype: DType, shape: readonly number[], values: ArrayLike<number>): NdArray {
  return { dtype, shape: [...shape], data: arrayTypes[dtype].from(values) };
}

/**
 * Whether a run counts (`CompileOptions.commitIf`): whether the scalar output of this name is not 0.
 * @throws {RangeError} if the output is missing or not a scalar; `owner` begins the message
 */
export function isCommitted(owner: string, outputs: Arrays, commitIf: string): boolean {
  const flag = outputs[commitIf];
  if (flag === undefined || flag.data.length !== 1) {
    throw new RangeError(
      `${owner}: commitIf names "${commitIf}", which must be a scalar output; there is ${describeAll(outputs)}`,
    );
  }
  return flag.data[0] !== 0;
}

const describeAll = (arrays: Arrays): string =>
  Object.entries(arrays)
    .map(([name, array]) => `"${name}" ${describe(array)}`)
    .join(', ') || 'none';
