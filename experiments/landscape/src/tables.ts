/** Tables and figures of the landscapes. */
import {
  confidenceInterval,
  formatInterval,
  intervalFigure,
  lineFigure,
  type ConfidenceInterval,
  type Figure,
  type Table,
} from '@dm/experiments';
import { hessianError, measureOverSeeds, unresolvedSeeds, type Comparison, type TaskViews } from './compare.js';
import { measuresOf, primaryMeasures, primaryNames } from './measures.js';
import type { LandscapeResult } from './run-trial.js';

export const format = (value: ConfidenceInterval | undefined): string =>
  value === undefined ? 'not defined' : formatInterval(value);

const over = ({ seeds }: TaskViews, of: (view: TaskViews['seeds'][number]['view']) => number): string =>
  seeds.length === 0 ? '' : formatInterval(confidenceInterval(seeds.map(({ view }) => of(view))));

export function measuresTable(title: string, all: readonly TaskViews[]): Table {
  return {
    title,
    columns: [
      'loss',
      'parameters',
      'seeds',
      'before training',
      'after training',
      ...primaryNames.map((measure) => primaryMeasures[measure]),
      'not resolved',
      'gap to convexity on the line from the start',
      'error of Hessian-vector products (maximum)',
    ],
    rows: all.map((task) => [
      task.name,
      String(task.seeds[0]?.view.parameters ?? ''),
      String(task.seeds.length),
      over(task, ({ loss }) => loss.start),
      over(task, ({ loss }) => loss.end),
      ...primaryNames.map((measure) => format(measureOverSeeds(task, measure))),
      `${unresolvedSeeds(task)} of ${task.seeds.length}`,
      over(task, (view) => measuresOf(view).lineGap),
      task.seeds.length === 0 ? '' : hessianError(task).toPrecision(2),
    ]),
  };
}

export function ratiosTable(found: readonly Comparison[]): Table {
  return {
    title: 'The other task divided by the denoiser, paired by seed; above 1, the denoiser is smoother',
    columns: ['task', 'measure', 'seeds', 'ratio', 'at least, by the residual', 'p', 'p, Holm over all rows'],
    rows: found.map(({ other, measure, ratio, bound, p, adjusted }) => [
      other,
      primaryMeasures[measure],
      String(ratio?.n ?? 0),
      format(ratio),
      bound === undefined ? '' : format(bound),
      p === undefined ? '' : p.toPrecision(2),
      adjusted === undefined ? '' : adjusted.toPrecision(2),
    ]),
  };
}

/** Generated images of the GAN, as evidence that it has been trained. */
export function ganTable(gan: readonly LandscapeResult[]): Table {
  const interval = (which: 'start' | 'end') =>
    formatInterval(confidenceInterval(gan.flatMap(({ fd }) => (fd === undefined ? [] : [fd[which]]))));
  return {
    title: 'FD-classifier of the images of the GAN (not an FID)',
    columns: ['seeds', 'before training', 'after training'],
    rows: gan.length === 0 ? [] : [[String(gan.length), interval('start'), interval('end')]],
  };
}

export function figures(losses: readonly TaskViews[], found: readonly Comparison[]): Figure[] {
  if (losses.every(({ seeds }) => seeds.length === 0)) return [];
  const rows = found.flatMap(({ other, measure, ratio }) =>
    ratio === undefined ? [] : [{ name: primaryMeasures[measure], group: other, ...ratio }],
  );
  const line = lineFigure({
    name: 'line-start',
    caption:
      'Loss on the straight line from initial (0) to trained weights (1), minus the trained loss, divided by the drop; mean and range over seeds',
    xTitle: 'from start (0) to end (1)',
    yTitle: '(loss - trained) / drop',
    series: losses.flatMap(({ name, seeds }) =>
      seeds.map(({ view: { loss, fromStart } }) => ({
        name,
        x: fromStart.at,
        y: fromStart.loss.map((value) => (value - loss.end) / (loss.start - loss.end)),
      })),
    ),
  });
  if (rows.length === 0) return [line];
  const ratios = intervalFigure({
    name: 'ratios',
    caption:
      'Each measure of the other tasks divided by the denoiser: geometric mean over seeds and 95% interval; to the right of the dashed line, the denoiser is smoother',
    xTitle: 'ratio to the denoiser',
    rows,
    reference: 1,
    logX: true,
  });
  return [ratios, line];
}
