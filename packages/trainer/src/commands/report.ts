/** `dm report`. */
import { join } from 'node:path';
import { Command } from 'commander';
import { atomicWriteFile } from '../files/atomic-write.js';
import { UserError } from '../errors.js';
import { metricsCsv } from '../logs/csv.js';
import { readMetrics } from '../run/metrics.js';
import { writeExperimentsPage } from '../report/experiments-page.js';
import { withoutResults } from '../report/experiment-results.js';
import { writeReport } from '../report/report.js';
import { hasRun, runFolder } from '../run/run-folder.js';
import { print, printJson } from '../terminal/output.js';
import { type CommonFlags, withCommonOptions } from './common.js';

interface ReportFlags extends CommonFlags {
  readonly out?: string;
  readonly csv?: boolean;
  readonly includePaths?: boolean;
  /** The folder of the experiments; true if the flag was given without one. */
  readonly experiments?: string | true;
}

export function reportCommand(): Command {
  const command = new Command('report')
    .description(
      'Write an HTML page with the curves, timesteps, samples and configuration of one run, or a comparison of several. ' +
        'It works offline. With --experiments: collect the results of all experiments in one Markdown page.',
    )
    .argument('[runs...]', 'run folders')
    .option(
      '--out <file>',
      'output file (default: report.html in the folder of one run, compare.html for several runs, docs/experiments.md ' +
        'for experiments)',
    )
    .option('--csv', "instead, write each run's log to metrics.csv in its folder")
    .option('--include-paths', 'include the paths of data, weights and folders, which reports omit by default')
    .option(
      '--experiments [folder]',
      'report on all experiments in this folder (default: experiments) instead of runs; lists those without results',
    );
  return withCommonOptions(command).action(run);
}

function run(folders: readonly string[], flags: ReportFlags): void {
  if (flags.experiments !== undefined) return gather(folders, flags);
  if (folders.length === 0) throw new UserError('Give at least one run folder, or --experiments.');
  if (flags.csv === true && flags.out !== undefined) {
    throw new UserError('--csv writes metrics.csv to the folder of each run and cannot be combined with --out.');
  }
  const runs = folders.map(runFolder);
  for (const { path } of runs.filter((r) => !hasRun(r))) {
    throw new UserError(`There is no run in ${path}. Give the folder that dm train wrote to (its --out).`, {
      code: 'RUN_NOT_FOUND',
    });
  }
  const written =
    flags.csv === true ? runs.map(writeCsv) : [writeReport(runs, flags.out ?? defaultOut(runs), reportOptions(flags))];
  for (const path of written) {
    if (flags.json === true) printJson({ event: 'report', path });
    else print(`${flags.csv === true ? 'log' : 'report'}: ${path}`);
  }
}

function gather(runs: readonly string[], flags: ReportFlags): void {
  if (runs.length > 0) throw new UserError(`--experiments cannot be combined with run folders: ${runs.join(', ')}.`);
  if (flags.csv === true) throw new UserError('--csv applies to runs and cannot be combined with --experiments.');
  const folder = typeof flags.experiments === 'string' ? flags.experiments : 'experiments';
  const path = flags.out ?? join('docs', 'experiments.md');
  const experiments = writeExperimentsPage(folder, path);
  if (flags.json === true) {
    const found = experiments.map(({ name, results }) => ({
      name,
      results: results.map(({ found: { configuration, verdict, isComplete } }) => ({
        configuration,
        verdict,
        isComplete,
      })),
    }));
    printJson({ event: 'report', path, experiments: found });
    return;
  }
  const missing = withoutResults(experiments);
  print([`report: ${path}`, ...(missing.length === 0 ? [] : [`without results: ${missing.join(', ')}`])]);
}

const reportOptions = ({ includePaths = false }: ReportFlags) => ({ includePaths });

type Run = ReturnType<typeof runFolder>;

function defaultOut(runs: readonly Run[]): string {
  return runs.length === 1 ? runs[0]!.report : 'compare.html';
}

function writeCsv({ path, metrics }: Run): string {
  const out = join(path, 'metrics.csv');
  atomicWriteFile(out, metricsCsv(readMetrics(metrics)));
  return out;
}
