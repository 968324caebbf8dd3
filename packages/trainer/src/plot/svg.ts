/** Plots as SVG text, rendered by Vega-Lite and Vega, which are loaded on first use. */
import type { TopLevelSpec } from 'vega-lite';

/**
 * Renders a Vega-Lite specification as SVG.
 *
 * @throws {Error} if the specification is invalid
 */
export async function plotSvg(spec: TopLevelSpec): Promise<string> {
  const [{ compile }, vega] = await Promise.all([import('vega-lite'), import('vega')]);
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none', logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

export interface Axis {
  readonly title: string;
  /** `log` omits values that are not positive. Default: `linear`. */
  readonly scale?: 'linear' | 'log';
}

export interface Series {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Series are ordered, for example by noise level: colors go from light to dark. Default false. */
  readonly ordered?: boolean;
}

const size = { width: 520, height: 320 };

/** A plot with one line per series, and a legend if there are several. Values that cannot be drawn leave gaps. */
export function lineSpec({ title, x, y, series, ordered = false }: LinePlot): TopLevelSpec {
  const drawn = (value: number | null, { scale }: Axis) =>
    value !== null && Number.isFinite(value) && (scale !== 'log' || value > 0);
  const values = series.flatMap((one) => {
    let part = 0;
    return one.x.flatMap((at, i) => {
      if (drawn(at, x) && drawn(one.y[i]!, y)) return [{ series: one.name, part, x: at, y: one.y[i]! }];
      part++;
      return [];
    });
  });
  const channel = ({ title: name, scale = 'linear' }: Axis) => ({
    type: 'quantitative' as const,
    title: name,
    scale: { type: scale, ...(scale === 'linear' && { zero: false }) },
  });
  return {
    title,
    ...size,
    data: { values },
    mark: { type: 'line', point: values.length <= 40 * series.length },
    encoding: {
      x: { field: 'x', ...channel(x) },
      y: { field: 'y', ...channel(y) },
      detail: { field: 'part', type: 'nominal' },
      ...(series.length > 1 && {
        color: {
          field: 'series',
          type: ordered ? 'ordinal' : 'nominal',
          title: null,
          sort: series.map(({ name }) => name),
          ...(ordered && { scale: { scheme: 'viridis' } }),
        },
      }),
    },
  };
}

export interface HeatMap {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  /** Name of the values. */
  readonly value: Axis;
  /** Ascending positions of the columns and rows. */
  readonly columns: readonly number[];
  readonly rows: readonly number[];
  /** [rows, columns], row by row. */
  readonly values: ArrayLike<number>;
}

/** A heat map with one cell per value. Values that cannot be drawn are white. */
export function heatMapSpec({ title, x, y, value, columns, rows, values }: HeatMap): TopLevelSpec {
  const cells = rows.flatMap((row, j) =>
    columns.map((column, i) => ({ x: column, y: row, value: values[j * columns.length + i]! })),
  );
  const { scale = 'linear' } = value;
  const cell = (field: 'x' | 'y', axis: Axis) => ({
    field,
    type: 'ordinal' as const,
    title: axis.title,
    sort: field === 'x' ? ('ascending' as const) : ('descending' as const),
    axis: { format: '.2f', labelOverlap: true, labelAngle: 0 },
  });
  return {
    title,
    width: 400,
    height: 400,
    data: { values: cells.filter((one) => Number.isFinite(one.value) && (scale !== 'log' || one.value > 0)) },
    mark: 'rect',
    encoding: {
      x: cell('x', x),
      y: cell('y', y),
      color: { field: 'value', type: 'quantitative', title: value.title, scale: { type: scale, scheme: 'viridis' } },
    },
  };
}

/** Plots stacked vertically in one image. */
export function stacked(specs: readonly TopLevelSpec[]): TopLevelSpec {
  return { vconcat: specs, resolve: { scale: { color: 'independent' } } } as TopLevelSpec;
}
