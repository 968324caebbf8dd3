/** Figures of loss landscapes. Losses are plotted as (loss - trained) / drop, so that models share an axis. */
import { lineFigure, type Figure, type PlotSpec } from '@dm/experiments';
import type { ComparedLoss } from './compare.js';
import type { LandscapeResult, LandscapeView } from './run-trial.js';

const lossDrop = ({ loss }: LandscapeView): number => loss.start - loss.end;
const inDrops = (view: LandscapeView, losses: readonly number[]): number[] =>
  losses.map((value) => (value - view.loss.end) / lossDrop(view));

export function lineFigures(losses: readonly ComparedLoss[]): Figure[] {
  const figure = (name: 'fromStart' | 'toPartner', file: string, caption: string, xTitle: string) =>
    lineFigure({
      name: file,
      caption,
      xTitle,
      yTitle: '(loss - trained) / drop',
      series: losses.flatMap(({ name: series, seeds }) =>
        seeds.map(({ view }) => ({ name: series, x: view[name].at, y: inDrops(view, view[name].loss) })),
      ),
    });
  return [
    figure(
      'fromStart',
      'line-start',
      'Loss on the straight line from initial (0) to trained weights (1), minus the trained loss, divided by the drop; mean and range over seeds',
      'from start (0) to end (1)',
    ),
    figure(
      'toPartner',
      'line-partner',
      'Loss on the straight line from the trained weights (0) to those of the partner (1), minus the trained loss, divided by the drop; mean and range over seeds',
      'from a training (0) to its partner (1)',
    ),
  ];
}

/** Slices, each scaled to height 1, to compare their shapes. */
export function sliceFigure(losses: readonly ComparedLoss[]): Figure {
  return lineFigure({
    name: 'slices',
    caption:
      'Slices along filter-normalized random directions, each scaled to height 1; mean and range over directions and seeds',
    xTitle: 'distance in norms of the filters',
    yTitle: '(loss - lowest) / height',
    series: losses.flatMap(({ name, seeds }) =>
      seeds.flatMap(({ view }) =>
        view.slices.map(({ at, loss }) => {
          const [low, high] = [Math.min(...loss), Math.max(...loss)];
          return { name, x: at, y: loss.map((value) => (value - low) / (high - low)) };
        }),
      ),
    ),
  });
}

/** Planes of the first seed, in color bands; each band is a factor of 10 ** (1 / 2) of (loss - trained) / drop. */
export function planeFigure(losses: readonly ComparedLoss[]): Figure {
  const panels = losses.flatMap(({ name, seeds }) => {
    const { view } = seeds[0]!;
    if (view.plane === null) return [];
    const { at, loss } = view.plane;
    const drops = inDrops(view, loss);
    // Each point fills its grid cell.
    const half = (at[1]! - at[0]!) / 2;
    const values = at.flatMap((y, j) =>
      at.map((x, i) => ({
        x: x - half,
        x2: x + half,
        y: y - half,
        y2: y + half,
        level: Math.floor(2 * Math.log10(Math.max(1e-2, drops[j * at.length + i]!))) / 2,
      })),
    );
    const axis = (field: string, title: string) => ({ field, type: 'quantitative', title, scale: { nice: false } });
    return [
      {
        title: name,
        width: 190,
        height: 190,
        data: { values },
        mark: { type: 'rect', strokeWidth: 0 },
        encoding: {
          x: axis('x', 'first direction'),
          x2: { field: 'x2' },
          y: axis('y', 'second direction'),
          y2: { field: 'y2' },
          color: {
            field: 'level',
            type: 'ordinal',
            title: ['log10 of', 'drops above', 'trained'],
            scale: { scheme: 'viridis' },
          },
        },
      },
    ];
  });
  const spec = { concat: panels, columns: 3, resolve: { scale: { color: 'shared' } } };
  return {
    name: 'planes',
    caption:
      '(loss - trained) / drop on a plane spanned by two filter-normalized random directions around the trained weights; each band is a factor of 3.2; one seed',
    spec: spec as unknown as PlotSpec,
  };
}

/** Spectra of one seed, because those of different seeds have no common grid. */
export function noiseRangeSpectra(diffusion: LandscapeResult): Figure {
  return lineFigure({
    name: 'spectra-noise',
    caption:
      "Density of the Hessian's eigenvalues of the diffusion model, per noise range; smoothed with a Gaussian of 2 % of the spectrum's width; one seed",
    xTitle: 'eigenvalue',
    yTitle: 'density',
    logY: true,
    series: diffusion.views
      .filter(({ isWhole }) => !isWhole)
      .map((view) => ({ name: view.name, ...densityCurve(view, 1) })),
  });
}

export function spectraFigure(losses: readonly ComparedLoss[]): Figure {
  return lineFigure({
    name: 'spectra',
    caption:
      "Density of the Hessian's eigenvalues, divided by the largest one; smoothed with a Gaussian of 2 % of the spectrum's width; one seed",
    xTitle: 'eigenvalue / largest',
    yTitle: 'density',
    logY: true,
    series: losses.map(({ name, seeds }) => {
      const { view } = seeds[0]!;
      return { name, ...densityCurve(view, view.spectrum.largest[0]!) };
    }),
  });
}

/** Clamps the density to at least 1e-6 of its maximum, for the logarithmic axis. */
function densityCurve({ spectrum }: LandscapeView, unit: number): { x: number[]; y: number[] } {
  const { from, step, values } = spectrum.density;
  const floor = 1e-6 * Math.max(...values);
  return {
    x: values.map((_, i) => (from + i * step) / unit),
    y: values.map((value) => Math.max(value, floor) * unit),
  };
}
