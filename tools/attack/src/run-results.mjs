/** The results of a training run, to compare two runs. */
import { latestCheckpoint, readMetrics, runFolder, withoutMeasurements } from '@dm/trainer';

/** The lines of metrics.jsonl without time measurements. @param {string} out */
export function logOf(out) {
  return readMetrics(runFolder(out).metrics).map((line) => JSON.stringify(withoutMeasurements(line)));
}

/** @param {string} out */
export function lastCheckpoint(out) {
  const { checkpoint } = latestCheckpoint(runFolder(out).checkpoints);
  if (checkpoint === undefined) throw new Error(`${out} has no valid checkpoint`);
  return checkpoint.path;
}
