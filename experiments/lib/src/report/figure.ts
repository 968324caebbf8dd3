/** Vega-Lite figures with bands and intervals, as SVG. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plotSvg } from '@dm/trainer';

/** A Vega-Lite specification. */
export type PlotSpec = Parameters<typeof plotSvg>[0];

export interface Figure {
  /** File name without extension. */
  readonly name: string;
  /** Caption in the README. */
  readonly caption: string;
  readonly spec: PlotSpec;
}

/** Color-blind-safe palette of Okabe and Ito, https://jfly.uni-koeln.de/color/. */
const colors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#999999'];

/** Writes `<name>.svg` to `folder`. */
export async function writeFigure(folder: string, { name, spec }: Figure): Promise<void> {
  const look = { background: 'white', config: { range: { category: colors }, font: 'DejaVu Sans, sans-serif' } };
  const svg = await plotSvg({ ...look, ...spec });
  writeFileSync(join(folder, `${name}.svg`), `${svg}\n`);
}

export interface Series {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** A line plot. Series with the same name (seeds) are averaged, with a band from minimum to maximum. */
export function lineFigure(options: {
  readonly name: string;
  readonly caption: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly series: readonly Series[];
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Height of a dashed horizontal line. */
  readonly level?: number;
}): Figure {
  const { name, caption, xTitle, yTitle, series, logX = false, logY = false, level } = options;
  const values = series.flatMap((s) => s.x.map((x, i) => ({ series: s.name, x, y: s.y[i]! })));
  const x = { field: 'x', type: 'quantitative', title: xTitle, ...(logX && { scale: scaleOf(logX) }) };
  const scale = scaleOf(logY);
  const color = {
    field: 'series',
    type: 'nominal',
    title: null,
    sort: null,
    legend: { labelLimit: 320, orient: 'right', symbolType: 'stroke', symbolOpacity: 1 },
  };
  const line = { x, y: { aggregate: 'mean', field: 'y', type: 'quantitative', title: yTitle, scale }, color: color };
  const band = {
    x,
    y: { aggregate: 'min', field: 'y', type: 'quantitative', title: yTitle, scale },
    y2: { aggregate: 'max', field: 'y' },
    color: color,
  };
  const spec = {
    width: 520,
    height: 320,
    data: { values },
    layer: [
      { mark: { type: 'area', opacity: 0.15 }, encoding: band },
      { mark: { type: 'line', strokeWidth: 2 }, encoding: line },
      ...(level === undefined ? [] : [{ ...levelMark, encoding: { y: { datum: level } } }]),
    ],
  };
  return { name, caption, spec: spec as unknown as PlotSpec };
}

/** Values with intervals, one row each, in the given order, and a dashed line at `reference`. */
export function intervalFigure(options: {
  readonly name: string;
  readonly caption: string;
  readonly xTitle: string;
  readonly rows: readonly {
    readonly name: string;
    readonly group?: string;
    readonly mean: number;
    readonly low?: number;
    readonly high?: number;
  }[];
  readonly reference?: number;
  readonly logX?: boolean;
}): Figure {
  const { name, caption, xTitle, rows, reference, logX = false } = options;
  const y = { field: 'name', type: 'nominal', title: null, sort: null, axis: { labelLimit: 320 } };
  const x = { type: 'quantitative', title: xTitle, scale: scaleOf(logX) };
  const color = { field: 'group', type: 'nominal', title: null, sort: null };
  const grouped = rows.some((row) => row.group !== undefined)
    ? { color: color, yOffset: { field: 'group', sort: null } }
    : {};
  const layers = [
    {
      mark: { type: 'rule', strokeWidth: 2 },
      encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' }, ...grouped },
    },
    { mark: { type: 'point', filled: true, size: 55 }, encoding: { y, x: { ...x, field: 'mean' }, ...grouped } },
    ...(reference === undefined ? [] : [{ ...levelMark, encoding: { x: { datum: reference } } }]),
  ];
  const values = rows.map((row) => ({ ...row, low: row.low ?? row.mean, high: row.high ?? row.mean }));
  return {
    name,
    caption,
    spec: { width: 460, height: { step: 24 }, data: { values }, layer: layers } as unknown as PlotSpec,
  };
}

const levelMark = { mark: { type: 'rule', strokeDash: [4, 4], color: '#777777' } };

/** Linear scales do not start at zero, to show small differences. */
function scaleOf(isLog: boolean): object {
  return isLog ? { type: 'log', nice: true } : { type: 'linear', zero: false, nice: true };
}
