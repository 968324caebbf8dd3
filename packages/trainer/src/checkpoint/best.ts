/** `checkpoints/best.json`: which checkpoint had the best metric so far. It is never pruned. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { atomicWriteFile } from '../files/atomic-write.js';
import type { MetricsRecord } from '../run/metrics.js';

const bestSchema = z.object({
  /** Of the checkpoint. */
  step: z.int().min(0),
  /** As in `eval` of metrics.jsonl, such as `FD-pixels`; lower is better. */
  metric: z.string(),
  value: z.number(),
});

export type Best = z.infer<typeof bestSchema>;

/** The best of the checkpoints in `folder`; undefined where nothing was evaluated yet, or the file is damaged. */
export function readBest(folder: string): Best | undefined {
  const path = join(folder, 'best.json');
  if (!existsSync(path)) return undefined;
  try {
    return bestSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export function writeBest(folder: string, best: Best): void {
  atomicWriteFile(join(folder, 'best.json'), `${JSON.stringify(best, null, 2)}\n`);
}

/**
 * The best that a run goes on with: of the log, cut to what the resumed step knows. A `best.json` from after that step
 * is removed: its weights will be trained again.
 */
export function bestFromLog(
  folder: string,
  logged: readonly MetricsRecord[],
  metric: string,
  step: number,
): Best | undefined {
  const written = readBest(folder);
  if (written !== undefined && written.step > step) rmSync(join(folder, 'best.json'));
  let best: Best | undefined;
  for (const record of logged) {
    const value = record.eval?.[metric];
    if (value !== undefined && (best === undefined || value < best.value)) best = { step: record.step, metric, value };
  }
  return best;
}
