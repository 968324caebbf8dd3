/** report.html of a run, made from what lies in its folder: config.json, metrics.jsonl and samples. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ScheduleState, TimestepSchedule } from '@dm/curriculum';
import type { Config } from './config.js';
import { replaceFile } from './durable.js';
import { readMetrics, type MetricsRecord } from './metrics.js';
import { reportPage, type ReportData } from './report-page.js';
import type { RunFolder } from './run-folder.js';

/** Sample grids in a report: the first, the last and as many between, so that the file stays small. */
const maxGrids = 12;
/** Moments of the run, as shares of it, for which the timestep density is drawn. */
const moments = [0, 0.25, 0.5, 0.75, 1];

/** Writes report.html and returns its path. */
export function writeReport(
  run: RunFolder,
  config: Config,
  schedule: TimestepSchedule,
  state: ScheduleState | undefined,
): string {
  replaceFile(run.report, reportPage(reportData(run, config, schedule, state)));
  return run.report;
}

function reportData(
  run: RunFolder,
  config: Config,
  schedule: TimestepSchedule,
  state: ScheduleState | undefined,
): ReportData {
  const records = readMetrics(run.metrics);
  const { recorded, ...chosen } = config;
  return {
    title: `dm run ${basename(run.path)}`,
    facts: facts(records, config),
    columns: columns(records),
    densities: densities(config, schedule, state, records.at(-1)?.step ?? 0),
    grids: grids(run.samples),
    config: chosen,
    recorded: recorded ?? {},
  };
}

function facts(records: readonly MetricsRecord[], config: Config): [string, string][] {
  const last = records.at(-1);
  if (last === undefined) return [['steps', `0 of ${config.totalSteps}`]];
  return [
    ['steps', `${last.step} of ${config.totalSteps}`],
    ['images seen', String(last.images)],
    ['loss', last.loss.toPrecision(4)],
    ['images per second', last.imagesPerSecond.toPrecision(3)],
    ['training time', `${Math.round(last.seconds)} s`],
    ['waiting for data', `${(100 * last.dataWait).toFixed(1)} %`],
    ['engine', config.engine],
  ];
}

function columns(records: readonly MetricsRecord[]): ReportData['columns'] {
  const quarter = (q: number) => [`loss, quarter ${q + 1}`, records.map((r) => r.lossByQuarter[q] ?? null)] as const;
  return {
    step: records.map((r) => r.step),
    loss: records.map((r) => r.loss),
    lr: records.map((r) => r.lr),
    beta1: records.map((r) => r.beta1),
    gradNorm: records.map((r) => r.gradNorm),
    ...Object.fromEntries([0, 1, 2, 3].map(quarter)),
  };
}

/** At several moments of the run; of a schedule that learns from losses only the present density is known. */
function densities(
  config: Config,
  schedule: TimestepSchedule,
  state: ScheduleState | undefined,
  now: number,
): ReportData['densities'] {
  const { numTimesteps } = schedule;
  // A thousand timesteps are drawn with 250 points; nobody sees more.
  const stride = Math.max(1, Math.floor(numTimesteps / 250));
  const timesteps = Array.from({ length: Math.ceil(numTimesteps / stride) }, (_, i) => i * stride);
  const steps =
    state === undefined
      ? moments.map((share) => Math.min(config.totalSteps - 1, Math.round(share * config.totalSteps)))
      : [Math.max(0, now - 1)];
  return {
    timesteps,
    moments: [...new Set(steps)].map((step) => {
      const density = schedule.density(step, state);
      const values = timesteps.map((t) => Number((density[t]! * numTimesteps).toPrecision(4)));
      return { label: `step ${step}`, values };
    }),
  };
}

function grids(folder: string): ReportData['grids'] {
  if (!existsSync(folder)) return [];
  const all = readdirSync(folder)
    .flatMap((name) => {
      const match = /^step-(\d+)\.png$/.exec(name);
      return match === null ? [] : [{ step: Number(match[1]), path: join(folder, name) }];
    })
    .toSorted((a, b) => a.step - b.step);
  const n = Math.min(all.length, maxGrids);
  const chosen = Array.from({ length: n }, (_, i) => all[n === 1 ? 0 : Math.round((i * (all.length - 1)) / (n - 1))]!);
  return chosen.map(({ step, path }) => ({
    step,
    dataUri: `data:image/png;base64,${readFileSync(path).toString('base64')}`,
  }));
}
