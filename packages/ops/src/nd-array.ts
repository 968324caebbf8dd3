import type { Arrays, CompileOptions, DType, NdArray } from './engine.js';

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

/** Dtype and shape for error messages, such as `float32 [2, 3]`. */
export const describe = ({ dtype, shape }: { readonly dtype: string; readonly shape: readonly number[] }): string =>
  `${dtype} [${shape.join(', ')}]`;

export const isDType = (dtype: string): dtype is DType => Object.hasOwn(arrayTypes, dtype);

/**
 * Checks that the dtype, shape and data of an array are consistent. Messages start with `what`.
 * @throws {TypeError} if the dtype is unknown, or `data` is not the typed array of that dtype
 * @throws {RangeError} if a size is not an integer >= 0, or `data` does not have as many elements as the shape
 */
export function checkArray(what: string, array: NdArray): void {
  const { dtype, shape, data } = array;
  if (!isDType(dtype)) throw new TypeError(`${what}: dtype must be float32, int32 or bool, got ${String(dtype)}`);
  const Type = arrayTypes[dtype];
  if (!(data instanceof Type)) throw new TypeError(`${what}: ${dtype} data must be a ${Type.name}`);
  if (!shape.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new RangeError(`${what}: the sizes of the shape must be integers >= 0, got [${shape.join(', ')}]`);
  }
  const size = shape.reduce((product, d) => product * d, 1);
  if (data.length !== size) {
    throw new RangeError(`${what}: the shape [${shape.join(', ')}] requires ${size} elements, got ${data.length}`);
  }
}

/** Copies values read from a TF.js backend (some return views of their memory) into the dtype's typed array. */
export function copyOf(dtype: DType, shape: readonly number[], values: ArrayLike<number>): NdArray {
  return { dtype, shape: [...shape], data: arrayTypes[dtype].from(values) };
}

/**
 * Whether a run updates the state: true if the scalar output `commitIf` is not 0, and those of `commitIfFinite` are
 * finite. Messages start with `owner`.
 * @throws {RangeError} if an output is missing or not a scalar
 */
export function isCommitted(
  owner: string,
  outputs: Arrays,
  { commitIf, commitIfFinite = [] }: Pick<CompileOptions, 'commitIf' | 'commitIfFinite'>,
): boolean {
  const scalar = (option: string, name: string): number => {
    const output = outputs[name];
    if (output === undefined || output.data.length !== 1) {
      throw new RangeError(
        `${owner}: ${option} must name a scalar output, got "${name}"; the outputs are ${describeAll(outputs)}`,
      );
    }
    return output.data[0]!;
  };
  const areFinite = commitIfFinite.map((name) => Number.isFinite(scalar('commitIfFinite', name)));
  return (commitIf === undefined || scalar('commitIf', commitIf) !== 0) && areFinite.every(Boolean);
}

/**
 * Checks that a program compiled with `frozenState` leaves the state alone; `changed` are the entries that it returned
 * with other values. The message starts with `owner`.
 * @throws {TypeError} if there are any
 */
export function checkFrozenState(owner: string, changed: readonly string[]): void {
  if (changed.length === 0) return;
  const entries = changed.map((name) => `"${name}"`).join(', ');
  throw new TypeError(`${owner}: compiled with frozenState, but the program changes the state (${entries})`);
}

const describeAll = (arrays: Arrays): string =>
  Object.entries(arrays)
    .map(([name, array]) => `"${name}" ${describe(array)}`)
    .join(', ') || 'none';
