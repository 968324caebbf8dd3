/** `checkpoints/best.json`, which names the checkpoint with the best metric so far. That checkpoint is never pruned. */
import { FileError, fileKind, readJsonFile, removeTree } from '@dm/files';
import { join } from 'node:path';
import * as z from 'zod';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkValue } from '../files/check-value.js';

const bestSchema = z.object({
  /** Step of the checkpoint. */
  step: z.int().min(0),
  /** As in `eval` of metrics.jsonl, such as `FD-pixels`; lower is better. */
  metric: z.string().max(200),
  value: z.number(),
});

export type Best = z.infer<typeof bestSchema>;

/**
 * Reads best.json in `folder`; undefined if nothing was evaluated yet.
 *
 * @throws {FileError} if the file is damaged
 */
export function parseBest(folder: string): Best | undefined {
  const path = bestPath(folder);
  if (fileKind(path, { followLinks: false }) === undefined) return undefined;
  return checkValue(bestSchema, readJsonFile(path, { followLinks: false }), path);
}

/** The best of the checkpoints in `folder`; undefined if nothing was evaluated yet, or if best.json is damaged. */
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

/** Removes best.json; the next evaluation creates it again. */
export function removeBest(folder: string): void {
  removeTree(bestPath(folder));
}

function bestPath(folder: string): string {
  return join(folder, 'best.json');
}
