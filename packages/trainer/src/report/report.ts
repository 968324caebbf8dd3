/** report.html of a run, or of several compared, made from what lies in their folders. */
import { atomicWriteFile } from '../files/atomic-write.js';
import type { RunFolder } from '../run/run-folder.js';
import { reportPage } from './page.js';
import { readRun } from './run-data.js';

/** Writes one page about `runs` to `path` and returns the path. Throws a UserError where a folder holds no run. */
export function writeReport(runs: readonly RunFolder[], path: string): string {
  atomicWriteFile(path, reportPage(runs.map(readRun)));
  return path;
}
