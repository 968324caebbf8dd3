/** `dm report`. */
import { join } from 'node:path';
import { Command } from 'commander';
import { atomicWriteFile } from '../files/atomic-write.js';
import { UserError } from '../errors.js';
import { metricsCsv } from '../logs/csv.js';
import { readMetrics } from '../run/metrics.js';
import { writeExperimentsPage } from '../report/experiments-page.js';
import { writeReport } from '../report/report.js';
import { hasRun, runFolder } from '../run/run-folder.js';
import { print, printJson } from '../terminal/output.js';
import { withCommonOptions, type CommonFlags } from './common.js';

interface ReportFlags extends CommonFlags {
  readonly out?: string;
  readonly csv?: boolean;
  readonly includePaths?: boolean;
  /** The folder of the experiments; true where none was named. */
  readonly experiments?: string | true;
}

export function reportCommand(): Command {
  const command = new Command('report')
    .description(
      'Write a page with the curves, timesteps, samples and configuration of a run (into its folder), or of several ' +
        'compared. It opens offline. With --experiments: gather the results of the experiments in one page of Markdown.',
    )
    .argument('[runs...]', 'folders of runs')
    .option(
      '--out <file>',
      'file to write; report.html in the folder of one run, compare.html for several, docs/experiments.md for experiments',
    )
    .option('--csv', "write each run's log as metrics.csv into its folder instead")
    .option('--include-paths', 'show the paths of data, weights and folders, which a report leaves out')
    .option(
      '--experiments [folder]',
      'instead of runs, all results of experiments (default folder: experiments); those without any are named',
    );
  return withCommonOptions(command).action(run);
}

function run(folders: readonly string[], flags: ReportFlags): void {
  if (flags.experiments !== undefined) return gather(folders, flags);
  if (folders.length === 0) throw new UserError('Name a run to report on, or --experiments.');
  const runs = folders.map(runFolder);
  for (const { path } of runs.filter((r) => !hasRun(r))) {
    throw new UserError(`There is no run in ${path}: name the folder that dm train wrote into.`, {
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
  if (runs.length > 0) throw new UserError(`--experiments reports on no runs, but ${runs.join(', ')} was named.`);
  if (flags.csv === true) throw new UserError('--csv is of runs; results of experiments have none.');
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
  const missing = experiments.filter(({ results }) => results.length === 0).map(({ name }) => name);
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
