/** report.html of a run, or of several compared, made from what lies in their folders. */
import { atomicWriteFile } from '../files/atomic-write.js';
import type { RunFolder } from '../run/run-folder.js';
import { reportPage } from './page.js';
import { readRun, type ReportOptions } from './run-data.js';

/**
 * Writes one page about `runs` to `path` and returns the path. It shows no paths, unless `includePaths` is true.
 *
 * @throws {UserError} if a folder holds no run
 */
export function writeReport(runs: readonly RunFolder[], path: string, options: ReportOptions = {}): string {
  atomicWriteFile(path, reportPage(runs.map((run) => readRun(run, options))));
  return path;
}
