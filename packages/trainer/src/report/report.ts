/** Writes report.html for a run, or a comparison of several, from the files in their folders. */
import { atomicWriteFile } from '../files/atomic-write.js';
import type { RunFolder } from '../run/run-folder.js';
import { reportPage } from './page.js';
import { readRun, type ReportOptions } from './run-data.js';

/**
 * Writes one page about `runs` to `path` and returns `path`. The page contains no paths unless `includePaths` is true.
 *
 * @throws {UserError} `RUN_NOT_FOUND` if a folder does not contain a run
 */
export function writeReport(runs: readonly RunFolder[], path: string, options: ReportOptions = {}): string {
  atomicWriteFile(path, reportPage(runs.map((run) => readRun(run, options))));
  return path;
}
