/** `checkpoints/best.json`: which checkpoint had the best metric so far. It is never pruned. */
import { FileError, fileKind, readJsonFile, removeTree } from '@dm/files';
import { join } from 'node:path';
import { z } from 'zod';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkValue } from '../files/check-value.js';

const bestSchema = z.object({
  /** Of the checkpoint. */
  step: z.int().min(0),
  /** As in `eval` of metrics.jsonl, such as `FD-pixels`; lower is better. */
  metric: z.string().max(200),
  value: z.number(),
});

export type Best = z.infer<typeof bestSchema>;

/**
 * What best.json of `folder` says; undefined where nothing was evaluated yet.
 *
 * @throws {FileError} if the file is damaged
 */
export function parseBest(folder: string): Best | undefined {
  const path = bestPath(folder);
  if (fileKind(path, { followLinks: false }) === undefined) return undefined;
  return checkValue(bestSchema, readJsonFile(path, { followLinks: false }), path);
}

/** The best of the checkpoints in `folder`; undefined where nothing was evaluated yet, or the file is damaged. */
export function readBest(folder: string): Best | undefined {
  try {
    return parseBest(folder);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return undefined;
  }
}

export function writeBest(folder: string, best: Best): void {
  atomicWriteFile(bestPath(folder), `${JSON.stringify(best, null, 2)}\n`);
}

/** Forgets the best, until an evaluation gives another. */
export function removeBest(folder: string): void {
  removeTree(bestPath(folder));
}

function bestPath(folder: string): string {
  return join(folder, 'best.json');
}
