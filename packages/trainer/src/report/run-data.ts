/** The data of a run that a report shows, read from the run folder. */
import { fileKind, listFolder, readRegularFile } from '@dm/files';
import { basename, join, resolve } from 'node:path';
import { difficulty, type DifficultyRecord } from '@dm/eval';
import type { Config } from '../config/schema.js';
import { boundRows, bucketTitle } from '../eval/validation/table.js';
import { readValidation } from '../eval/validation/file.js';
import { readDifficulty } from '../eval/difficulty/file.js';
import { UserError } from '../errors.js';
import { readMetrics } from '../run/metrics.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import { resolveConfig } from '../config/resolve.js';
import { savedConfig } from '../config/saved-config.js';
import { hasRun, type RunFolder } from '../run/run-folder.js';
import type { Json } from '../config/json.js';
import { withoutDataPath, withoutPaths } from '../config/without-paths.js';
import { flattenConfig } from './config-table.js';
import { densityMap, lossMap, type HeatMap } from './heat-maps.js';
import { groups, downsample } from './downsample.js';

/** One entry per logged step, or per group of steps. */
export type Column = readonly (number | null)[];

export interface RunData {
  readonly name: string;
  /** Columns of the log by name: `step`, `loss`, `quarter1` to `quarter4`, `eval <name>`, ... */
  readonly columns: Readonly<Record<string, Column>>;
  /** Columns of the probe, if the run has one: `step`, `images`, `minutes`, and per noise range `loss1`, `gradNorm1`, ... */
  readonly probe?: ProbeData;
  /** The validation loss, if the run measured it. */
  readonly validation?: ValidationData;
  readonly density: HeatMap;
  readonly loss: HeatMap;
  readonly grids: readonly { readonly step: number; readonly dataUri: string }[];
  /** Pairs of name and value, for the top of the page. */
  readonly facts: readonly (readonly [string, string])[];
  /** Fields of the configuration and of the recorded environment, by path. */
  readonly config: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
}

export interface ValidationData {
  /** Ranges of log-SNR, from noisy to clean. */
  readonly ranges: readonly string[];
  /** Losses by range, then their geometric mean: the newest of the run, and the bounds if they were computed. */
  readonly rows: Readonly<Record<string, readonly (number | null)[]>>;
  /** What was measured, and on which images, for a caption. */
  readonly about: string;
}

export interface ProbeData {
  readonly columns: Readonly<Record<string, Column>>;
  readonly buckets: readonly ProbeBucket[];
  /** What was measured, and on which images, for a caption. */
  readonly about: string;
}

/** A range of timesteps [from, to). */
export interface ProbeBucket {
  readonly from: number;
  readonly to: number;
  /** Steps until the loss has permanently covered 90% of its decrease; null if it never does or was measured once. */
  readonly learnedBy: number | null;
}

/** Most points per curve: more are indistinguishable and make the file large. */
const maxPoints = 1500;
/** Most sample grids per run (first, last and evenly spaced in between), to keep the file small. */
const maxGrids = 12;

export interface ReportOptions {
  /** Include the paths of data, weights and folders in the configuration. Default: false. */
  readonly includePaths?: boolean;
}

/**
 * Reads the data of a run.
 *
 * @throws {UserError} `RUN_NOT_FOUND` if the folder does not contain a run
 */
export function readRun(run: RunFolder, { includePaths = false }: ReportOptions = {}): RunData {
  if (!hasRun(run))
    throw new UserError(`There is no run in ${run.path}. Give the folder that dm train wrote to (its --out).`, {
      code: 'RUN_NOT_FOUND',
    });
  const layer = savedConfig(run);
  const config = resolveConfig([layer]);
  const records = readMetrics(run.metrics);
  // The location of the run does not affect what it does.
  const { out: _out, recorded: _recorded, ...chosen } = config;
  const { recorded = {}, ...shown } = shareable({ ...chosen, recorded: layer.value['recorded'] ?? {} }, includePaths);
  return {
    name: basename(resolve(run.path)),
    columns: columns(downsample(records, maxPoints)),
    ...probeData(run, config, records, includePaths),
    ...validationData(run, records, includePaths),
    density: densityMap(config, records),
    loss: lossMap(config, records),
    grids: grids(run.samples),
    facts: facts(records, config),
    config: flattenConfig(shown),
    environment: flattenConfig(recorded),
  };
}

function shareable(config: Json, includePaths: boolean): Json {
  return includePaths ? config : withoutPaths(config);
}

function facts(records: readonly MetricsRecord[], config: Config): RunData['facts'] {
  const last = records.at(-1);
  if (last === undefined) return [['steps', `0 of ${config.totalSteps}`]];
  return [
    ['steps', `${last.step} of ${config.totalSteps}`],
    ['images seen', last.images.toLocaleString('en')],
    ['last loss', last.loss.toPrecision(3)],
    ...validationFact(records),
    ...((last.skipped ?? 0) > 0 ? [['skipped updates', String(last.skipped)] as const] : []),
    ...divergenceFact(records),
    ...Object.entries(records.findLast((r) => r.eval !== undefined)?.eval ?? {}).map(
      ([name, value]) => [name, value.toPrecision(3)] as const,
    ),
    ['images/s', last.imagesPerSecond.toPrecision(3)],
    ['training time', `${Math.round(last.seconds)} s`],
    ['data wait', `${(100 * last.dataWait).toFixed(1)}%`],
    ['memory', `${last.peakMb} MiB`],
    ['engine', config.engine],
  ];
}

function validationFact(records: readonly MetricsRecord[]): RunData['facts'] {
  const last = records.findLast((r) => r.validation !== undefined)?.validation;
  return last === undefined ? [] : [['validation loss', last.geometricMean.toPrecision(3)]];
}

/** The steps at which the loss was far above its minimum, if any. */
function divergenceFact(records: readonly MetricsRecord[]): RunData['facts'] {
  const diverged = records.filter((r) => r.lossOverMinimum !== undefined);
  if (diverged.length === 0) return [];
  const most = diverged.reduce((max, { lossOverMinimum }) => Math.max(max, lossOverMinimum!), 0);
  const [first, last] = [diverged[0]!.step, diverged.at(-1)!.step];
  const steps = first === last ? `step ${first}` : `steps ${first} to ${last}`;
  return [['diverged', `${steps}: loss up to ${most.toPrecision(3)} times its minimum`]];
}

function columns(records: readonly MetricsRecord[]): RunData['columns'] {
  const column = (value: (record: MetricsRecord) => number | null | undefined) =>
    records.map((record) => {
      const v = value(record);
      return v == null ? null : Number(v.toPrecision(5));
    });
  const ranges = records.find((r) => r.validation !== undefined)?.validation?.buckets ?? [];
  const metrics = [...new Set(records.flatMap((r) => Object.keys(r.eval ?? {})))];
  return {
    step: records.map((r) => r.step),
    images: records.map((r) => r.images),
    minutes: column((r) => r.seconds / 60),
    loss: column((r) => r.loss),
    ...Object.fromEntries([0, 1, 2, 3].map((q) => [`quarter${q + 1}`, column((r) => r.lossByQuarter[q])])),
    gradNorm: column((r) => r.gradNorm),
    ...(records.some((r) => (r.skipped ?? 0) > 0) && { skipped: column((r) => r.skipped ?? 0) }),
    lr: column((r) => r.lr),
    beta1: column((r) => r.beta1),
    imagesPerSecond: column((r) => r.imagesPerSecond),
    dataWait: column((r) => 100 * r.dataWait),
    ...(ranges.length > 0 && { validation: column((r) => r.validation?.geometricMean) }),
    ...Object.fromEntries(ranges.map((_, b) => [`validation${b + 1}`, column((r) => r.validation?.buckets[b])])),
    ...Object.fromEntries(metrics.map((name) => [`eval ${name}`, column((r) => r.eval?.[name])])),
  };
}

/** Remaining fraction of the decrease from the first to the final loss at which a noise range counts as learned. */
const learnedShare = 0.1;

function probeData(
  run: RunFolder,
  { batchSize }: Config,
  records: readonly MetricsRecord[],
  includePaths: boolean,
): { probe?: ProbeData } {
  const log = readDifficulty(run.difficulty);
  if (log === undefined || log.records.length === 0) return {};
  const { setting, records: measured } = log;
  const { buckets, data, images, prediction } = setting;
  const shown = groups(measured, maxPoints).map((group) => group.at(-1)!);
  const each = (name: string, values: (record: DifficultyRecord) => readonly number[]) =>
    buckets.map((_, b) => [`${name}${b + 1}`, shown.map((record) => positive(values(record)[b]!))] as const);
  const times = measured.length > 1 ? difficulty(buckets, measured, { within: [learnedShare] }).buckets : [];
  return {
    probe: {
      columns: {
        step: shown.map(({ step }) => step),
        images: shown.map(({ step }) => step * batchSize),
        minutes: shown.map(({ step }) => minutesAt(step, records)),
        ...Object.fromEntries([...each('loss', (r) => r.loss), ...each('gradNorm', (r) => r.gradNorm)]),
      },
      buckets: buckets.map(({ from, to }, b) => ({ from, to, learnedBy: times[b]?.times[0]!.ofDrop ?? null })),
      about: `the unweighted loss of ${prediction} on ${images} images of ${includePaths ? data : withoutDataPath(data)}`,
    },
  };
}

function validationData(
  run: RunFolder,
  records: readonly MetricsRecord[],
  includePaths: boolean,
): { validation?: ValidationData } {
  const last = records.findLast((r) => r.validation !== undefined);
  const file = readValidation(run.validation);
  if (last?.validation === undefined || file === undefined) return {};
  const { setting, bounds } = file;
  const { data, images, draws } = setting;
  const losses = { [`step ${last.step}`]: last.validation, ...(bounds !== null && boundRows(bounds)) };
  return {
    validation: {
      ranges: setting.buckets.map(bucketTitle),
      rows: Object.fromEntries(
        Object.entries(losses).map(([name, loss]) => [name, [...loss.buckets, loss.geometricMean]]),
      ),
      about:
        `Mean squared error of epsilon, with the EMA weights, on ${images} images of ` +
        `${includePaths ? data : withoutDataPath(data)} that were not trained on, ${draws} ` +
        `${draws === 1 ? 'draw' : 'draws'} of noise each, by range of log-SNR`,
    },
  };
}

/** For a logarithmic scale, which cannot show values that are not positive or not finite. */
function positive(value: number): number | null {
  return value > 0 && Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
}

/** Training time at a step in minutes, interpolated linearly between the log lines. */
function minutesAt(step: number, records: readonly MetricsRecord[]): number | null {
  const after = records.find((r) => r.step >= step);
  if (after === undefined) return null;
  const before = records.findLast((r) => r.step <= step) ?? { step: 0, seconds: 0 };
  const share = after.step === before.step ? 0 : (step - before.step) / (after.step - before.step);
  return Number(((before.seconds + share * (after.seconds - before.seconds)) / 60).toPrecision(5));
}

function grids(folder: string): RunData['grids'] {
  if (fileKind(folder) === undefined) return [];
  const all = listFolder(folder)
    .flatMap(({ name }) => {
      const match = /^step-(\d+)\.png$/.exec(name);
      return match === null ? [] : [{ step: Number(match[1]), path: join(folder, name) }];
    })
    .toSorted((a, b) => a.step - b.step);
  const n = Math.min(all.length, maxGrids);
  const chosen = Array.from({ length: n }, (_, i) => all[n === 1 ? 0 : Math.round((i * (all.length - 1)) / (n - 1))]!);
  return chosen.map(({ step, path }) => ({
    step,
    dataUri: `data:image/png;base64,${readGrid(path).toString('base64')}`,
  }));
}

/** Far above the size of any sample grid, in bytes. */
const maxGridBytes = 2 ** 26;

/** The first bytes of every PNG, https://www.w3.org/TR/png-3/#5PNG-file-signature. */
const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Reports may be shared, so they must contain only images of the run: follows no links and accepts only PNG files. */
function readGrid(path: string): Buffer {
  const bytes = readRegularFile(path, { maxBytes: maxGridBytes, followLinks: false });
  if (bytes.subarray(0, pngSignature.length).equals(pngSignature)) return bytes;
  throw new UserError(`${path} is not a PNG. Remove it.`, { code: 'FILE_INVALID' });
}
