/** validation.json of a run: what its validation loss is measured on, and the bounds to compare it with. */
import { fileKind, readJsonFile } from '@dm/files';
import * as z from 'zod';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { checkValue } from '../../files/check-value.js';
import type { Bounds } from './bounds.js';
import type { ValidationSetting } from './validator.js';

export interface ValidationFile {
  readonly setting: ValidationSetting;
  /** Null if they were not computed. */
  readonly bounds: Bounds | null;
}

// JSON has null for NaN.
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);

const loss = z.object({ geometricMean: number, buckets: z.array(z.number().nullable()).max(1000) });

const schema = z.object({
  format: z.literal(1),
  setting: z.object({
    buckets: z.array(z.object({ from: z.number(), to: z.number() })).max(1000),
    data: z.string(),
    images: z.int(),
    imagesSha256: z.string().exactOptional(),
    draws: z.int(),
  }),
  bounds: z.object({ wiener: loss, posteriorMean: loss }).nullable(),
});

/**
 * Reads the file; undefined if there is none.
 *
 * @throws {FileError} `FILE_INVALID` if it is invalid
 */
export function readValidation(path: string): ValidationFile | undefined {
  if (fileKind(path) === undefined) return undefined;
  const { setting, bounds } = checkValue(schema, readJsonFile(path), path);
  return { setting, bounds };
}

export function writeValidation(path: string, { setting, bounds }: ValidationFile): void {
  atomicWriteFile(path, `${JSON.stringify({ format: 1, setting, bounds }, null, 2)}\n`);
}
