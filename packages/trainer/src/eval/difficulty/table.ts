/** Human-readable table of difficulty per noise bucket. */
import type { DifficultyReport } from '@dm/eval';
import { bucketName } from '../../plot/difficulty-plot.js';
import type { DifficultyLog } from './file.js';
import { aligned, digits } from '../sets/table.js';

export function difficultyLines(log: DifficultyLog, report: DifficultyReport): string[] {
  const { setting, weights } = log;
  const { buckets, steps, settings, rankCorrelations } = report;
  const shares = settings.within.map((share) => `${Number((100 * share).toPrecision(3))}%`);
  const header = [
    'timesteps',
    'log SNR',
    'noise rate',
    'first loss',
    'final loss',
    ...shares.map((share) => `${share} final`),
    ...shares.map((share) => `${share} drop`),
    'grad norm',
    'at end',
  ];
  const time = (steps_: number | null) => (steps_ === null ? 'never' : String(Math.round(steps_)));
  const rows = buckets.map((bucket) => [
    bucketName(bucket),
    bucket.logSnr.toFixed(2),
    bucket.noiseRate.toFixed(3),
    digits(bucket.firstLoss),
    digits(bucket.finalLoss),
    ...bucket.times.map(({ ofFinal }) => time(ofFinal)),
    ...bucket.times.map(({ ofDrop }) => time(ofDrop)),
    digits(bucket.meanGradNorm),
    digits(bucket.finalGradNorm),
  ]);
  return [
    `${weights} weights at ${steps.length} measurements from step ${steps[0]} to ${steps.at(-1)}, on ${setting.images} images ` +
      `of ${setting.data} per bucket; the loss is the unweighted MSE of ${setting.prediction}.`,
    `Losses are means over ${settings.window} measurements. "${shares[0]} final": steps until the loss stays within ${shares[0]} of ` +
      `its final value; "${shares[0]} drop": steps until all but ${shares[0]} of the decrease is permanently done.`,
    '',
    ...aligned([header, ...rows]),
    '',
    'rank correlation with the noise rate (1: grows with noise, -1: falls)',
    ...aligned(
      Object.entries(rankCorrelations).map(([name, value]) => [name, value === null ? 'none' : value.toFixed(3)]),
    ),
  ];
}
