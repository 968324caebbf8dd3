/** Validation losses and bounds as a table. */
import { aligned, digits } from '../sets/table.js';
import type { Bounds } from './bounds.js';
import type { ValidationLoss, ValidationSetting } from './validator.js';

/** Columns of the table, by their titles. */
export type Losses = Readonly<Record<string, ValidationLoss>>;

/** The rows of the bounds, in the order of the table. */
export function boundRows({ wiener, posteriorMean }: Bounds): Losses {
  return { 'Wiener filter': wiener, 'posterior mean': posteriorMean };
}

/** One line per noise bucket, from noisy to clean, and one for the geometric mean. */
export function validationLines({ buckets, data, images, draws }: ValidationSetting, losses: Losses): string[] {
  const columns = Object.values(losses);
  const cell = (value: number | null | undefined) => (value == null ? '–' : digits(value));
  return [
    `mean squared error of epsilon on ${images} images of ${data}, ${draws} ${draws === 1 ? 'draw' : 'draws'} of noise each`,
    '',
    ...aligned([
      ['log-SNR', ...Object.keys(losses)],
      ...buckets.map((bucket, b) => [bucketTitle(bucket), ...columns.map((loss) => cell(loss.buckets[b]))]),
      ['geometric mean', ...columns.map((loss) => cell(loss.geometricMean))],
    ]),
  ];
}

/** `-5.0 to -3.8` */
export function bucketTitle({ from, to }: ValidationSetting['buckets'][number]): string {
  return `${from.toFixed(1)} to ${to.toFixed(1)}`;
}
