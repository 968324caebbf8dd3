import type { DensityOverTraining } from '../plot/density-plot.js';

const columns = 32;
/** Heights of a bar in eighths of a character. */
const bars = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** A table with one row per step: the density as bars, over all timesteps, its quantiles, the effective sample size. */
export function densityLines({ curriculum, numTimesteps, quantiles, moments }: DensityOverTraining): string[] {
  const columnsOf = moments.map(({ density }) => binned(density));
  const highest = Math.max(...columnsOf.flat());
  const rows = moments.map(({ step, quantiles: values, effectiveSampleSize }, i) => [
    String(step),
    columnsOf[i]!.map((mean) => bars[Math.round((mean / highest) * (bars.length - 1))]!).join(''),
    ...values.map(String),
    effectiveSampleSize.toFixed(3),
  ]);
  const range = `t = 0 to ${numTimesteps - 1}`;
  const all = [['step', range, ...quantiles.map((q) => `${100 * q}%`), 'ESS'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map((row) =>
    row
      .map((text, column) => (column === 1 ? text.padEnd(widths[1]!) : text.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return [
    `Density of ${curriculum.type} over ${numTimesteps} timesteps; a full bar is ${highest.toPrecision(3)} times uniform.`,
    '',
    ...lines,
    '',
    'ESS: effective sample size with importance weights 1 / (T p), as a fraction of the batch.',
  ];
}

/** T p(t), averaged over the timesteps of each column. */
function binned(density: Float64Array): number[] {
  const T = density.length;
  const count = Math.min(columns, T);
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [Math.floor((i * T) / count), Math.floor(((i + 1) * T) / count)];
    const sum = density.subarray(from, to).reduce((total, p) => total + p, 0);
    return (sum * T) / (to - from);
  });
}
