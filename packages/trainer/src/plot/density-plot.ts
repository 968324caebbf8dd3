/** A timestep schedule over training: density, quantiles, effective sample size. */
import type { DensitySummary } from '@dm/curriculum';
import { lineSpec, plotSvg, stacked } from './svg.js';

/** Summaries of a timestep schedule at some steps of a run. */
export interface DensityOverTraining {
  /** The schedule and its options, as configured. */
  readonly curriculum: { readonly type: string };
  /** T. */
  readonly numTimesteps: number;
  readonly totalSteps: number;
  /** The quantiles of each summary. */
  readonly quantiles: readonly number[];
  /** In ascending order of steps. */
  readonly moments: readonly DensitySummary[];
}

/** Most densities drawn in one plot. */
const mostLines = 5;

/** Densities at up to five steps, quantiles and effective sample size at all of them, one above the other, as SVG. */
export function densityPlot({ curriculum, quantiles, moments }: DensityOverTraining): Promise<string> {
  const steps = moments.map(({ step }) => step);
  const stride = Math.max(1, (moments.length - 1) / (mostLines - 1));
  const drawn = Array.from({ length: Math.min(mostLines, moments.length) }, (_, i) => moments[Math.round(i * stride)]!);
  return plotSvg(
    stacked([
      lineSpec({
        title: `Density of ${curriculum.type}, relative to uniform`,
        x: { title: 'timestep' },
        y: { title: 'T p(t)' },
        series: drawn.map(({ step, density }) => ({
          name: `step ${step}`,
          x: Array.from(density, (_, t) => t),
          y: Array.from(density, (p) => p * density.length),
        })),
        ordered: true,
      }),
      lineSpec({
        title: 'Quantiles of the timesteps',
        x: { title: 'step' },
        y: { title: 'timestep' },
        series: quantiles.map((q, i) => ({
          name: `${100 * q}%`,
          x: steps,
          y: moments.map((moment) => moment.quantiles[i]!),
        })),
        ordered: true,
      }),
      lineSpec({
        title: 'Effective sample size with importance weights',
        x: { title: 'step' },
        y: { title: 'fraction of the batch' },
        series: [{ name: 'effective sample size', x: steps, y: moments.map((m) => m.effectiveSampleSize) }],
      }),
    ]),
  );
}
