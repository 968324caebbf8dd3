/** difficulty.jsonl of a run: a line that says what was measured on, then one line a measurement. */
import { bucketCoordinates, type DifficultyRecord } from '@dm/eval';
import { z } from 'zod';
import { appendFile, atomicWriteFile } from '../../files/atomic-write.js';
import { UserError } from '../../errors.js';
import { readJsonLines } from '../../files/json-lines.js';
import type { ProbeSetting } from './noise-probe.js';

/** Measurements of one run on one setting. */
export interface DifficultyLog {
  readonly setting: ProbeSetting;
  /** The weights that were measured. */
  readonly weights: 'raw' | 'ema';
  readonly records: readonly DifficultyRecord[];
}

const loss = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN); // JSON has null for NaN

const headerSchema = z.object({
  format: z.literal(1),
  weights: z.enum(['raw', 'ema']),
  setting: z.object({
    // -Infinity, of SNR 0, is null in JSON.
    buckets: z.array(
      z.object({
        from: z.int(),
        to: z.int(),
        logSnr: z
          .number()
          .nullable()
          .transform((value) => value ?? -Infinity),
        noiseRate: z.number(),
      }),
    ),
    coordinate: z.enum(bucketCoordinates),
    data: z.string(),
    images: z.int(),
    seed: z.int(),
    prediction: z.string(),
  }),
});

const recordSchema = z.object({ step: z.int(), loss: z.array(loss), gradNorm: z.array(loss) });

/** Reads the file; undefined where there is none. Throws a UserError that names a line which does not fit. */
export function readDifficulty(path: string): DifficultyLog | undefined {
  const [first, ...lines] = readJsonLines(path);
  if (first === undefined) return undefined;
  const { setting, weights } = parsed(headerSchema, first, path, 1);
  return { setting, weights, records: lines.map((line, i) => parsed(recordSchema, line, path, i + 2)) };
}

/** Writes a whole file in place of what was there. */
export function writeDifficulty(path: string, { setting, weights, records }: DifficultyLog): void {
  const lines = [{ format: 1, weights, setting }, ...records];
  atomicWriteFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

export function appendDifficulty(path: string, record: DifficultyRecord): void {
  appendFile(path, `${JSON.stringify(record)}\n`);
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, path: string, line: number): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new UserError(`${path}, line ${line} is not as expected: ${z.prettifyError(result.error)}`, {
    code: 'FILE_INVALID',
  });
}
