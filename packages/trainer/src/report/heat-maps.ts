/** Timesteps against the course of a run: which are trained on, and with what loss. */
import type { Config } from '../config/schema.js';
import type { MetricsRecord } from '../run/metrics.js';
import { curriculumOf } from '../setup/training-setup.js';
import { groups } from './downsample.js';

export interface HeatMap {
  /** Edges of the columns, in steps: one more than columns. */
  readonly steps: readonly number[];
  /** Edges of the rows, in timesteps. */
  readonly timesteps: readonly number[];
  /** [columns][rows]; null where nothing is known. */
  readonly values: readonly (readonly (number | null)[])[];
  /** What the values are, for a caption. */
  readonly about: string;
}

const maxColumns = 60;
const densityRows = 50;

/**
 * Probability of a timestep over that of uniform sampling. Of a schedule that is known in advance, over the whole run;
 * of one that learns from losses, what was drawn, as the log has it.
 */
export function densityMap(config: Config, records: readonly MetricsRecord[]): HeatMap {
  const schedule = curriculumOf(config);
  return schedule.initialState === undefined ? planned(config, schedule) : drawn(config, records);
}

function planned({ totalSteps }: Config, schedule: ReturnType<typeof curriculumOf>): HeatMap {
  const columns = Math.min(maxColumns, totalSteps);
  const rows = Math.min(densityRows, schedule.numTimesteps);
  const steps = edges(columns, totalSteps).map(Math.round);
  const timesteps = edges(rows, schedule.numTimesteps).map(Math.round);
  const values = steps.slice(0, -1).map((step) => {
    const density = schedule.density(step);
    return timesteps.slice(0, -1).map((from, row) => {
      const part = density.subarray(from, timesteps[row + 1]);
      return digits((part.reduce((sum, p) => sum + p, 0) / part.length) * schedule.numTimesteps);
    });
  });
  return { steps, timesteps, values, about: `planned density of ${schedule.name}` };
}

function drawn({ diffusion, curriculum }: Config, records: readonly MetricsRecord[]): HeatMap {
  const known = groups(
    records.filter((r) => r.drawsByLevel !== undefined),
    maxColumns,
  );
  const rows = known[0]?.[0]?.drawsByLevel?.length ?? 1;
  return {
    steps: columnEdges(known),
    timesteps: edges(rows, diffusion.timesteps),
    values: known.map((group) => {
      const draws = Array.from({ length: rows }, (_, row) => sumOf(group, (r) => r.drawsByLevel![row]!));
      const all = draws.reduce((sum, n) => sum + n, 0);
      return draws.map((n) => digits((n * rows) / all));
    }),
    about: `drawn by ${curriculum.type}`,
  };
}

/** Mean unweighted loss of the examples of each level; of each quarter, for logs that have no finer figures. */
export function lossMap({ diffusion }: Config, records: readonly MetricsRecord[]): HeatMap {
  const isFine = records.some((r) => r.lossByLevel !== undefined);
  const columns = groups(isFine ? records.filter((r) => r.lossByLevel !== undefined) : records, maxColumns);
  const rows = isFine ? columns[0]![0]!.lossByLevel!.length : 4;
  const values = columns.map((group) =>
    Array.from({ length: rows }, (_, row) => {
      const lossOf = (r: MetricsRecord) => (isFine ? r.lossByLevel! : r.lossByQuarter)[row] ?? null;
      const drawsOf = (r: MetricsRecord) => (isFine ? (r.drawsByLevel?.[row] ?? 1) : 1);
      const seen = group.filter((r) => lossOf(r) !== null);
      if (seen.length === 0) return null;
      return digits(sumOf(seen, (r) => lossOf(r)! * drawsOf(r)) / sumOf(seen, drawsOf));
    }),
  );
  return {
    steps: columnEdges(columns),
    timesteps: edges(rows, diffusion.timesteps),
    values,
    about: 'empty where nothing was drawn',
  };
}

function edges(parts: number, end: number): number[] {
  return Array.from({ length: parts + 1 }, (_, i) => (i * end) / parts);
}

/** A line tells of the steps since the line before. */
function columnEdges(columns: readonly (readonly MetricsRecord[])[]): number[] {
  return [0, ...columns.map((group) => group.at(-1)!.step)];
}

function sumOf(records: readonly MetricsRecord[], value: (record: MetricsRecord) => number): number {
  return records.reduce((sum, record) => sum + value(record), 0);
}

function digits(value: number): number {
  return Number(value.toPrecision(4));
}
