/** Heat maps of timestep density and loss over the steps of a run. */
import type { Config } from '../config/schema.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import { curriculumOf } from '../setup/training-setup.js';
import { groups } from './downsample.js';

export interface HeatMap {
  /** Edges of the columns, in steps; one more than there are columns. */
  readonly steps: readonly number[];
  /** Edges of the rows, in timesteps. */
  readonly timesteps: readonly number[];
  /** [columns][rows]; null if unknown. */
  readonly values: readonly (readonly (number | null)[])[];
  /** Description of the values, for a caption. */
  readonly about: string;
}

const maxColumns = 60;
const densityRows = 50;

/**
 * Probability of a timestep relative to uniform sampling. For a fixed schedule: the planned density over the whole run.
 * For a schedule that adapts to losses: the logged draws.
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

/** Mean unweighted loss per level, or per quarter for logs without levels. */
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
    about: 'empty cells: nothing was drawn',
  };
}

function edges(parts: number, end: number): number[] {
  return Array.from({ length: parts + 1 }, (_, i) => (i * end) / parts);
}

/** Edges of the columns: each log line covers the steps since the previous one. */
function columnEdges(columns: readonly (readonly MetricsRecord[])[]): number[] {
  return [0, ...columns.map((group) => group.at(-1)!.step)];
}

function sumOf(records: readonly MetricsRecord[], value: (record: MetricsRecord) => number): number {
  return records.reduce((sum, record) => sum + value(record), 0);
}

function digits(value: number): number {
  return Number(value.toPrecision(4));
}
