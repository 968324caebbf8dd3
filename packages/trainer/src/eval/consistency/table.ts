/** Human-readable tables of consistency. */
import type { ConsistencyReport, Estimate, PairReport } from '@dm/eval';
import type { SetsComparison } from './compare-sets.js';
import { aligned, digits } from '../sets/table.js';

const header = ['', 'same noise', 'random pairs', 'nearest other', 'retrieved'];

/** The comparison as lines: each pair and all pairs together, every value with its interval and its controls. */
export function comparisonLines(specs: readonly string[], comparison: Omit<SetsComparison, 'sets'>): string[] {
  const { shape, count, pixels, features, denoisers } = comparison;
  const { confidence, resamples, threshold } = pixels.settings;
  const lines = [
    `${count} samples of ${shape.join('x')} from the same noise by ${specs.length} models.`,
    `Intervals: ${100 * confidence}% by ${resamples} bootstraps over images. Retrieved: fraction of samples whose own partner is the nearest (by chance: ${digits(1 / count)}).`,
    ...reportLines(pixels, 'pixels'),
  ];
  if (features !== undefined) {
    lines.push('', `features of ${features.extractor.name}, resize ${features.extractor.resize}`);
    lines.push(...reportLines(features.report, 'features'));
  }
  if (denoisers !== undefined) {
    lines.push('', 'denoisers: cosine of the predicted v on the same noisy images, all pairs');
    const rows = denoisers.map(({ logSnr, timesteps, overall }) => {
      const [cosine] = overall.metrics;
      const { same, random, nearest } = cosine!;
      return [
        `log SNR ${logSnr.toFixed(2)}, t ${timesteps.map((t) => digits(t)).join(' ')}`,
        ...[same, random, nearest].map(interval),
        digits(cosine!.retrieval.mean),
      ];
    });
    lines.push(...aligned([header, ...rows]));
  }
  lines.push('', `A pair counts as reproduced if its cosine is above ${threshold}.`);
  return lines;
}

function reportLines({ pairs, overall }: ConsistencyReport, what: string): string[] {
  // With one pair, the overall report would be a duplicate.
  const reports = pairs.length === 1 ? pairs : [...pairs, overall];
  return reports.flatMap((report) => ['', titleOf(report, what), ...aligned([header, ...rowsOf(report)])]);
}

function titleOf({ a, b }: PairReport, what: string): string {
  return a === 'all' && b === 'all' ? `all pairs, ${what}` : `${a} and ${b}, ${what}`;
}

function rowsOf({ metrics, reproducibility }: PairReport): string[][] {
  const rows = metrics.map(({ metric, same, random, nearest, retrieval }) => [
    metric,
    ...[same, random, nearest].map(interval),
    digits(retrieval.mean),
  ]);
  if (reproducibility === undefined) return rows;
  return [...rows, ['reproduced', interval(reproducibility.same), interval(reproducibility.random), '', '']];
}

function interval({ mean, low, high }: Estimate): string {
  return `${mean.toPrecision(3)} [${low.toPrecision(3)}, ${high.toPrecision(3)}]`;
}
