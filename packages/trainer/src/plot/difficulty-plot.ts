import type { BucketDifficulty, DifficultyReport } from '@dm/eval';
import { lineSpec, plotSvg, stacked, type Series } from './svg.js';

/** Loss and gradient norm over training, one line per bucket, and the steps to within each fraction by noise rate. */
export function difficultyPlot({ steps, buckets, settings }: DifficultyReport, prediction: string): Promise<string> {
  const over = (values: (bucket: BucketDifficulty) => readonly number[]): Series[] =>
    buckets.map((bucket) => ({ name: bucketName(bucket), x: steps, y: values(bucket) }));
  const noise = buckets.map(({ noiseRate }) => noiseRate);
  const times = settings.within.map((share, k) => ({
    name: `${(100 * share).toPrecision(3)}%`,
    x: noise,
    y: buckets.map(({ times: ofBucket }) => ofBucket[k]!.ofDrop),
  }));
  const step = { title: 'step' };
  return plotSvg(
    stacked([
      lineSpec({
        title: `${prediction} loss by timestep`,
        x: step,
        y: { title: 'loss', scale: 'log' },
        series: over(({ loss }) => loss),
        ordered: true,
      }),
      lineSpec({
        title: 'Gradient norm by timestep',
        x: step,
        y: { title: 'gradient norm', scale: 'log' },
        series: over(({ gradNorm }) => gradNorm),
        ordered: true,
      }),
      lineSpec({
        title: 'Steps until only this fraction of the decrease to the final loss remains',
        x: { title: 'noise rate (mean sigma of the bucket)' },
        y: step,
        series: times,
      }),
    ]),
  );
}

/** `[100, 200)` */
export function bucketName({ from, to }: Pick<BucketDifficulty, 'from' | 'to'>): string {
  return `[${from}, ${to})`;
}
