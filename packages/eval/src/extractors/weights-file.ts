/** Reading and checking weights files. */
import { createHash } from 'node:crypto';
import { FileError, readRegularFileAsync } from '@dm/files';
import { fileURLToPath } from 'node:url';
import { parseSafetensors } from '@dm/models';
import type { NdArray } from '@dm/ops';
import { EvalError } from '../errors.js';

export interface WeightsFile {
  readonly tensors: Readonly<Record<string, NdArray>>;
  readonly metadata: Readonly<Record<string, string>>;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
}

/**
 * Reads a safetensors file.
 * @throws {EvalError} if the file is missing (the message ends with `help`) or invalid
 */
export async function readWeights(path: string | URL, help = ''): Promise<WeightsFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readRegularFileAsync(path instanceof URL ? fileURLToPath(path) : path, { maxBytes: Infinity });
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== 'FILE_NOT_FOUND') throw error;
    throw new EvalError(
      'WEIGHTS_NOT_FOUND',
      `The weights file ${String(path)} does not exist.${help === '' ? '' : ` ${help}`}`,
      { cause: error },
    );
  }
  try {
    const { tensors, metadata } = parseSafetensors(bytes);
    return { tensors, metadata, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    throw new EvalError('WEIGHTS_INVALID', `${String(path)}: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws {EvalError} if a tensor is missing, has another shape, or is not float32; extra tensors are ignored */
export function checkWeights(
  what: string,
  tensors: Readonly<Record<string, NdArray>>,
  shapes: Readonly<Record<string, readonly number[]>>,
): void {
  const wrong = Object.entries(shapes).flatMap(([name, shape]) => {
    const tensor = Object.hasOwn(tensors, name) ? tensors[name]! : undefined;
    if (tensor === undefined) return [`${name} is missing`];
    if (tensor.dtype !== 'float32') return [`${name} is ${tensor.dtype}, not float32`];
    if (tensor.shape.join() === shape.join()) return [];
    return [`${name} is [${tensor.shape.join(', ')}], not [${shape.join(', ')}]`];
  });
  if (wrong.length > 0) throw new EvalError('WEIGHTS_INVALID', `The weights do not fit ${what}: ${wrong.join('; ')}.`);
}
