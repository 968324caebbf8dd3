/** What a training left in its folder, for comparing two of them. */
import { latestCheckpoint, readMetrics, runFolder, withoutMeasurements } from '@dm/trainer';

/** The log without what clocks measured. @param {string} out */
export function logOf(out) {
  return readMetrics(runFolder(out).metrics).map((line) => JSON.stringify(withoutMeasurements(line)));
}

/** @param {string} out */
export function lastCheckpoint(out) {
  const { checkpoint } = latestCheckpoint(runFolder(out).checkpoints);
  if (checkpoint === undefined) throw new Error(`${out} has no valid checkpoint`);
  return checkpoint.path;
}
