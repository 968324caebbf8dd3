import type { HessianSpectrum, Interpolation, Plane } from '@dm/eval';
import { heatMapSpec, lineSpec, plotSvg } from './svg.js';

/** The loss along a line through two checkpoints. */
export function interpolationPlot({ at, loss }: Interpolation, names: readonly [string, string]): Promise<string> {
  return plotSvg(
    lineSpec({
      title: `Loss from ${names[0]} (0) to ${names[1]} (1)`,
      x: { title: 'position' },
      y: { title: 'loss', scale: 'log' },
      series: [{ name: 'loss', x: at, y: loss }],
    }),
  );
}

/** The loss on a filter-normalized plane. */
export function planePlot({ at, loss }: Plane, name: string): Promise<string> {
  return plotSvg(
    heatMapSpec({
      title: `Loss around ${name}, filter-normalized directions`,
      x: { title: 'first direction' },
      y: { title: 'second direction' },
      value: { title: 'loss', scale: 'log' },
      columns: at,
      rows: at,
      values: loss,
    }),
  );
}

/**
 * Spectral densities, one line each. Values below 1e-9 of the maximum are omitted, so that one eigenvalue among millions
 * is still visible.
 */
export function spectrumPlot(
  spectra: readonly { readonly name: string; readonly spectrum: HessianSpectrum }[],
): Promise<string> {
  return plotSvg(
    lineSpec({
      title: 'Spectral density of the Hessian',
      x: { title: 'eigenvalue' },
      y: { title: 'density', scale: 'log' },
      ordered: spectra.length > 1,
      series: spectra.map(({ name, spectrum: { density } }) => {
        const floor = 1e-9 * density.density.reduce((most, value) => Math.max(most, value), 0);
        return { name, x: [...density.at], y: Array.from(density.density, (value) => (value < floor ? null : value)) };
      }),
    }),
  );
}
