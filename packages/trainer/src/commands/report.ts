/** `dm report`. */
import { join } from 'node:path';
import { Command } from 'commander';
import { replaceFile } from '../durable.js';
import { UserError } from '../errors.js';
import { metricsCsv } from '../logs/csv.js';
import { readMetrics } from '../metrics.js';
import { writeReport } from '../report/report.js';
import { holdsRun, runFolder } from '../run-folder.js';
import { print, printJson, withCommonOptions, type CommonFlags } from './common.js';

interface ReportFlags extends CommonFlags {
  readonly out?: string;
  readonly csv?: boolean;
}

export function reportCommand(): Command {
  const command = new Command('report')
    .description(
      'Write a page with the curves, timesteps, samples and configuration of a run (into its folder), or of several ' +
        'compared. It opens offline.',
    )
    .argument('<runs...>', 'folders of runs')
    .option('--out <file.html>', 'file to write; report.html in the folder of one run, compare.html for several')
    .option('--csv', "write each run's log as metrics.csv into its folder instead");
  return withCommonOptions(command).action(run);
}

function run(folders: readonly string[], flags: ReportFlags): void {
  const runs = folders.map(runFolder);
  for (const { path } of runs.filter((r) => !holdsRun(r))) {
    throw new UserError(`There is no run in ${path}: name the folder that dm train wrote into.`);
  }
  const written = flags.csv === true ? runs.map(writeCsv) : [writeReport(runs, flags.out ?? defaultOut(runs))];
  for (const path of written) {
    if (flags.json === true) printJson({ event: 'report', path });
    else print(`${flags.csv === true ? 'log' : 'report'}: ${path}`);
  }
}

type Run = ReturnType<typeof runFolder>;

function defaultOut(runs: readonly Run[]): string {
  return runs.length === 1 ? runs[0]!.report : 'compare.html';
}

function writeCsv({ path, metrics }: Run): string {
  const out = join(path, 'metrics.csv');
  replaceFile(out, metricsCsv(readMetrics(metrics)));
  return out;
}
