// The numbers in docs/paper.md are those of the committed results.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { geometricMean } from '@dm/eval';
import { describe, expect, it } from 'vitest';
import { validationBounds } from './bounds.js';
import { confidenceInterval, type ConfidenceInterval } from './statistics.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));
const page = readFileSync(join(root, 'docs/paper.md'), 'utf8').replaceAll(/\s+/g, ' ');

interface Final {
  readonly points: readonly { validation?: { ema: { loss: number; quarters: readonly number[] } } }[];
}

const results = (experiment: string) =>
  read(`experiments/${experiment}/results/laptop/results.json`) as {
    key: string;
    numbers: {
      byLength: Record<string, Record<string, { speedup: ConfidenceInterval }>>;
      prefixSwap: readonly { from: number; same: number }[];
      groups: readonly {
        kind: string;
        residual?: { same: ConfidenceInterval };
        cosine: { same: ConfidenceInterval };
      }[];
    };
  };

/** Validation of an arm's finals after the last step, by seed. */
const finals = (experiment: string, stage: string, arm: string) =>
  [0, 1, 2].map(
    (seed) =>
      (read(`experiments/${experiment}/results/laptop/${stage}/${arm}.seed-${seed}.json`) as Final).points.at(-1)!
        .validation!.ema,
  );

const intervalText = ({ mean, low, high }: ConfidenceInterval) => {
  const digits = (value: number) => value.toPrecision(3);
  return `${digits(mean)} (${digits(low!)} to ${digits(high!)})`;
};

const ratioText = (experiment: string, stage: string, arm: string, base: string) => {
  const other = finals(experiment, stage, base);
  return intervalText(confidenceInterval(finals(experiment, stage, arm).map(({ loss }, i) => loss / other[i]!.loss)));
};

const rangeText = (values: readonly number[]) =>
  `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;

describe('docs/paper.md', () => {
  it('bounds and baseline', () => {
    const baseline = finals('curriculum', 'final', 'uniform').map(({ quarters }) => geometricMean(quarters));
    const mean = baseline.reduce((sum, value) => sum + value, 0) / baseline.length;
    const wiener = geometricMean(validationBounds().wiener.quarters);
    expect(page).toContain(`is ${wiener.toFixed(4)}, and the baseline's is ${mean.toFixed(4)}`);
  });

  it('consistency', () => {
    const { groups, prefixSwap } = results('consistency').numbers;
    const cosines = (kind: string) =>
      rangeText(groups.filter((group) => group.kind === kind).map(({ cosine }) => cosine.same.mean));
    const residual = groups.flatMap(({ kind, residual: one }) => (kind === 'diffusion' && one ? [one.same.mean] : []));
    expect(page).toContain(
      `(cosine ${cosines('diffusion')} between pairs); GANs and VAEs do not (${cosines('contrast')})`,
    );
    expect(page).toContain(`just as well (${cosines('gaussian')})`);
    expect(page).toContain(`the networks agree at ${rangeText(residual)}.`);
    const same = (from: number) => Math.round(100 * prefixSwap.find((swap) => swap.from === from)!.same);
    expect(page).toContain(`from 520 on leaves ${same(520)} % of the samples`);
    expect(page).toContain(`from 280 on ${same(280)} %`);
  });

  it('difficulty and landscape', () => {
    const { groups } = /easier by (?<groups>\d+ of \d+) measures/.exec(results('difficulty').key)!;
    expect(page).toContain(`by ${groups!['groups']} measures, and harder by 3`);
    const smoother = /by (?<count>\d+ of \d+) measures, rougher by (?<rougher>\d+)/.exec(results('landscape').key)!;
    expect(page).toContain(`by ${smoother.groups!['count']} measures, and rougher by ${smoother.groups!['rougher']}`);
  });

  it('curriculum, momentum, and speed-ups', () => {
    expect(page).toContain(`CLTS reached ${ratioText('curriculum', 'final', 'clts', 'uniform')} times`);
    expect(page).toContain(`It reached ${ratioText('momentum', 'final', 'mdlrc', 'constant')} times`);
    expect(page).toContain(`and ${ratioText('momentum', 'final', 'mdlrc', 'linear-10')} times`);
    const speedup = (experiment: string, arm: string) =>
      intervalText(results(experiment).numbers.byLength[arm]!['validation ema']!.speedup);
    expect(page).toContain(`Together they needed ${speedup('speedup', 'clts-mdlrc')} times fewer steps`);
    expect(page).toContain(`needed ${speedup('best', 'muon-linear+v+clts-average')} times fewer steps`);
  });
});
