/** difficulty.jsonl of a run: a header with the setting, then one line per measurement. */
import { bucketCoordinates, type DifficultyRecord } from '@dm/eval';
import { FileError } from '@dm/files';
import * as z from 'zod';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { checkValue } from '../../files/check-value.js';
import { readJsonLines } from '../../files/json-lines.js';
import type { ProbeSetting } from './noise-probe.js';

/** The measurements of a run with one setting. */
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
    // -Infinity, the log of SNR 0, is null in JSON.
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
    imagesSha256: z.string().exactOptional(),
    seed: z.int(),
    prediction: z.string(),
  }),
});

const recordSchema = z.object({ step: z.int().min(0), loss: z.array(loss), gradNorm: z.array(loss) });

/**
 * Reads the file; undefined if there is none.
 *
 * @throws {FileError} if a line is invalid; the message names it
 */
export function readDifficulty(path: string): DifficultyLog | undefined {
  const [first, ...lines] = readJsonLines(path);
  if (first === undefined) return undefined;
  const { setting, weights } = checkValue(headerSchema, first.value, `${path}, line 1`);
  const buckets = setting.buckets.length;
  let before = -1;
  const records = lines.map(({ line, value }) => {
    const source = `${path}, line ${line}`;
    const record = checkValue(recordSchema, value, source);
    if (record.step <= before) {
      throw new FileError(source, `has step ${record.step} after step ${before}; steps must ascend.`, {
        code: 'FILE_INVALID',
      });
    }
    before = record.step;
    if (record.loss.length === buckets && record.gradNorm.length === buckets) return record;
    throw new FileError(source, `must have ${buckets} losses and gradient norms, one for each bucket.`, {
      code: 'FILE_INVALID',
    });
  });
  return { setting, weights, records };
}

/** Writes the file, replacing an existing one. */
export function writeDifficulty(path: string, { setting, weights, records }: DifficultyLog): void {
  const lines = [{ format: 1, weights, setting }, ...records];
  atomicWriteFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

export function difficultyLine(record: DifficultyRecord): string {
  return `${JSON.stringify(record)}\n`;
}
