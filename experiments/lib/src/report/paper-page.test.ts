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
/** The sections below `##` and `###`, by their heading; line breaks are spaces. */
const sections = new Map(
  readFileSync(join(root, 'docs/paper.md'), 'utf8')
    .split(/^#{2,3} /m)
    .map((part) => [part.split('\n')[0]!, part.replaceAll(/\s+/g, ' ')] as const),
);
/** The section whose heading contains `words`. */
const section = (words: string): string => {
  const found = [...sections].filter(([heading]) => heading.includes(words));
  expect(found).toHaveLength(1);
  return found[0]![1];
};

interface Final {
  readonly points: readonly { validation?: { ema: { loss: number; quarters: readonly number[] } } }[];
}

interface SameNoise {
  readonly groups: readonly ({
    readonly name: string;
    readonly networks: readonly string[];
    readonly pairs: number;
  } & Readonly<Record<'same' | 'residual', { readonly least: number; readonly most: number }>>)[];
  readonly gaussian: readonly { readonly name: string; readonly same: { readonly mean: number } }[];
  readonly swapped: {
    readonly swaps: readonly ({ readonly t: number; readonly logSnr: number } & Readonly<
      Record<'linear' | 'linearResidual' | 'own' | 'other', { readonly mean: number }>
    >)[];
  };
}

const results = (experiment: string) =>
  read(`experiments/${experiment}/results/laptop/results.json`) as {
    key: string;
    verdict?: string;
    numbers: {
      byLength: Record<string, Record<string, { speedup: ConfidenceInterval }>>;
      prefixSwap: readonly { from: number; same: number }[];
      comparisons: readonly {
        other: string;
        measure: string;
        ratio: ConfidenceInterval;
        bound?: ConfidenceInterval;
        adjusted?: number;
      }[];
      tasks: readonly { seeds: readonly unknown[] }[];
      groups: readonly {
        kind: string;
        residual?: { same: ConfidenceInterval };
        cosine: { same: ConfidenceInterval };
      }[];
      /** Of each prediction, by range of timesteps. */
      learning: Record<'v' | 'epsilon', readonly { images: number | null; excess: number }[]>;
      correlations: readonly ({ arm: string; measure: string; scope: string } & ConfidenceInterval)[];
      transfer: readonly { clean: ConfidenceInterval; noisy: ConfidenceInterval }[];
      /** Of each beta1. */
      ratios: Readonly<Record<string, ConfidenceInterval>>;
      oscillation: Readonly<Record<string, ConfidenceInterval>>;
      slope: { value: number; low: number; high: number };
      speedups: readonly {
        arm: string;
        metric: string;
        estimate: { value: number; low: number | null; high: number | null };
      }[];
      latents: readonly { name: string; measure: string; agreement: string; same: ConfidenceInterval }[];
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
    const loss = (experiment: string, stage: string, arm: string) => {
      const seeds = finals(experiment, stage, arm).map(({ quarters }) => geometricMean(quarters));
      return (seeds.reduce((sum, value) => sum + value, 0) / seeds.length).toFixed(4);
    };
    const wiener = geometricMean(validationBounds().wiener.quarters);
    const numbers = [...section('claim by claim').matchAll(/0\.\d{4}/g)].map(([number]) => number);
    expect(numbers).toEqual([
      wiener.toFixed(4),
      loss('curriculum', 'final', 'uniform'),
      loss('speedup', 'whole', 'best'),
    ]);
  });

  it('consistency', () => {
    const { groups, prefixSwap, latents } = results('consistency').numbers;
    const cosines = (kind: string) =>
      rangeText(groups.filter((group) => group.kind === kind).map(({ cosine }) => cosine.same.mean));
    const residual = groups.flatMap(({ kind, residual: one }) => (kind === 'diffusion' && one ? [one.same.mean] : []));
    const digits = read('experiments/same-noise/results/laptop/results.json') as SameNoise;
    const untrained = digits.groups.filter(({ name }) => name === 'untrained');
    const trained = digits.groups.filter((group) => !untrained.includes(group));
    const unets = trained.filter(({ networks }) => !networks.includes('dit'));
    const mixed = trained.filter((group) => !unets.includes(group));
    const spread = (of: SameNoise['groups'], pick: 'same' | 'residual') =>
      rangeText(of.flatMap((group) => [group[pick].least, group[pick].most]));
    expect(section('same image')).toContain(`the ${unets.reduce((sum, group) => sum + group.pairs, 0)} pairs`);
    const ranges = [...section('same image').matchAll(/-?0\.\d+ to 0\.\d+/g)].map(([range]) => range);
    expect(ranges).toEqual([
      spread(unets, 'same'),
      spread(mixed, 'same'),
      rangeText(digits.gaussian.filter(({ name }) => name !== 'untrained').map(({ same }) => same.mean)),
      spread(untrained, 'same'),
      spread(unets, 'residual'),
      spread(mixed, 'residual'),
      spread(untrained, 'residual'),
      cosines('diffusion'),
      cosines('contrast'),
      cosines('gaussian'),
      rangeText(residual),
    ]);
    const of = (name: string, measure = 'cosine') =>
      latents.find((one) => one.name === name && one.measure === measure)!;
    const at = (name: string, measure?: string) => of(name, measure).same.mean.toFixed(2);
    const text = section('same image');
    const rotated = text.slice(text.indexOf('rotated to fit'));
    expect([...rotated.matchAll(/-?0\.\d+/g)].map(([number]) => number)).toEqual([
      at('GAN, another seed, latents rotated'),
      at('VAE, another seed, latents rotated'),
      at('GAN, latents rotated to fit shuffled pairs'),
      at('VAE, latents rotated to fit shuffled pairs'),
      at('rectified flow, another seed'),
      at('UNet and rectified flow'),
      at('untrained rectified flow, another seed'),
      at('UNet and untrained rectified flow'),
      at('rectified flow, another seed', 'beyondNoise'),
      at('UNet and rectified flow', 'beyondNoise'),
      at('untrained rectified flow, another seed', 'beyondNoise'),
      at('UNet and untrained rectified flow', 'beyondNoise'),
      at('normalizing flow, another seed'),
      at('UNet and normalizing flow'),
      at('UNet and normalizing flow', 'residual'),
    ]);
    expect(of('normalizing flow, another seed').agreement).toBe('void');
    const same = (from: number) => `${Math.round(100 * prefixSwap.find((swap) => swap.from === from)!.same)}%`;
    const [ofImages] = section('pure noise').split('How fast') as [string];
    const shares = [...ofImages.matchAll(/\d+%/g)].map(([share]) => share);
    expect(shares).toEqual([same(520), same(280)]);
    const swapAt = (t: number) => digits.swapped.swaps.find((swap) => swap.t === t)!;
    const decided = [swapAt(880), swapAt(580), swapAt(680)].map(({ logSnr }) => logSnr.toFixed(1));
    const trained28 = ofImages.slice(ofImages.indexOf('28x28'));
    expect([...trained28.matchAll(/-?\d\.\d+/g)].map(([number]) => number)).toEqual([
      swapAt(880).linear.mean.toFixed(2),
      swapAt(880).linearResidual.mean.toFixed(2),
      decided[0],
      decided[1],
      swapAt(580).linear.mean.toFixed(2),
      swapAt(580).linearResidual.mean.toFixed(2),
      decided[2],
      swapAt(680).other.mean.toFixed(2),
      swapAt(680).own.mean.toFixed(2),
    ]);
    const crossing = digits.swapped.swaps.find(({ own, other }) => other.mean > own.mean)!;
    expect(crossing.t).toBe(680);
  });

  it('difficulty and landscape', () => {
    const { learning, correlations, transfer } = results('difficulty').numbers;
    const { v, epsilon } = learning;
    const noisy = v.slice(5).map(({ images }) => images!);
    const grouped = (count: number) => count.toFixed(0).replace(/(?<=\d{2})(?=\d{3}$)/, ',');
    const learned = section('pure noise').split('How fast')[1]!;
    expect(learned).toContain(`after ${Math.min(...noisy).toFixed(0)} to ${Math.max(...noisy).toFixed(0)} images`);
    expect(learned).toContain(`after ${grouped(v[4]!.images!)} at t from 400`);
    expect(v.slice(0, 4).map(({ images }) => images !== null)).toEqual([false, false, false, true]);
    expect(epsilon.map(({ images }) => images)).toEqual(epsilon.map(() => null));
    expect(learned).toContain(`${epsilon[9]!.excess.toFixed(0)} times the optimum`);
    const correlation = (arm: string, measure: string) =>
      correlations.find((one) => one.arm === arm && one.measure === measure && one.scope === 'all')!;
    const [asMany, half, clean] = transfer;
    expect([...learned.matchAll(/-?[\d.]+ \(-?[\d.]+ to -?[\d.]+\)/g)].map(([interval]) => interval)).toEqual(
      [
        correlation('v', 'images'),
        correlation('epsilon', 'excess'),
        asMany!.noisy,
        half!.noisy,
        clean!.clean,
        clean!.noisy,
      ].map(intervalText),
    );
    const { verdict, numbers } = results('landscape');
    const { comparisons, tasks } = numbers;
    expect(section('landscape')).toContain(`${tasks[0]!.seeds.length} of 8 seeds`);
    const bounds = [...section('landscape').matchAll(/[\d.]+ \([\d.]+ to [\d.]+\) for/g)].map(([text]) =>
      text.slice(0, -4),
    );
    expect(bounds).toEqual(
      comparisons.flatMap(({ other, bound }) => (bound && other !== 'autoencoder' ? [intervalText(bound)] : [])),
    );
    const clear = comparisons.filter(({ adjusted }) => adjusted !== undefined && adjusted < 0.05);
    expect(
      [true, false].map((isSmoother) => clear.filter(({ ratio }) => ratio.mean > 1 === isSmoother).length),
    ).toEqual([3, 2]);
    const ratios = [...section('landscape').matchAll(/([\d.]+(?: \([\d.]+ to [\d.]+\))?) times/g)].map(
      ([, ratio]) => ratio,
    );
    expect(ratios).toEqual(
      ['sharpness', 'typicalCurvature', 'negativity'].flatMap((measure) =>
        comparisons
          .filter((one) => one.measure === measure)
          // Without a verdict there are too few seeds for an interval.
          .map(({ ratio }) => (verdict === 'open' ? ratio.mean.toPrecision(3) : intervalText(ratio))),
      ),
    );
  });

  it('curriculum, momentum, and speed-ups', () => {
    const intervals = (words: string) =>
      [...section(words).matchAll(/-?[\d.]+ \(-?[\d.]+ to -?[\d.]+\)/g)].map(([interval]) => interval);
    const { ratios, oscillation, slope } = results('momentum-grid').numbers;
    // On the page, the autocorrelation is lower by so much: the opposite sign.
    const lower = ({ mean, low, high, n }: ConfidenceInterval) =>
      intervalText({ mean: -mean, low: -high!, high: -low!, n });
    expect(intervals('(CLTS)')).toEqual([ratioText('curriculum', 'final', 'clts', 'uniform')]);
    expect(intervals('(MDLRC)')).toEqual([
      ratioText('momentum', 'final', 'mdlrc', 'constant'),
      ratioText('momentum', 'final', 'mdlrc', 'linear-10'),
      ...[ratios['0.98']!, ratios['0.95']!, ratios['0']!].map(intervalText),
      ...[oscillation['0.5']!, oscillation['0.98']!, oscillation['0']!].map(lower),
      `${slope.value.toFixed(2)} (${slope.low.toFixed(2)} to ${slope.high.toFixed(2)})`,
    ]);
    const speedup = (experiment: string, arm: string) =>
      intervalText(results(experiment).numbers.byLength[arm]!['validation ema']!.speedup);
    expect(intervals('twice as fast')).toEqual([speedup('speedup', 'clts-mdlrc')]);
  });

  it('the fastest recipe', () => {
    const { speedups } = results('recipe-search').numbers;
    const cell = (arm: string, metric: string) => {
      const { value, low, high } = speedups.find((one) => one.arm === arm && one.metric === metric)!.estimate;
      const text = (log: number) => Math.exp(log).toFixed(2);
      // Infinity is null in JSON.
      if (high === null) return `at least ${text(value)} (${text(low!)})`;
      if (low === null) return `at most ${text(value)} (${text(high)})`;
      return `${text(value)} (${text(low)} to ${text(high)})`;
    };
    const rows = [...section('fastest').matchAll(/\| (?:20|40|80),000 \| (?<loss>[^|]+) \| (?<fd>[^|]+) \|/g)];
    const cells = rows.map(({ groups }) => [groups!['loss']!.trim(), groups!['fd']!.trim()]);
    const arms = ['winner', 'linear', 'method'].flatMap((name) => [0.25, 0.5, 1].map((length) => `${name}-${length}`));
    expect(cells).toEqual(arms.map((arm) => [cell(arm, 'loss'), cell(arm, 'fd')]));

    const stepTimes = read('experiments/recipe-search/results/laptop/clock/step-times.seed-0.json') as {
      stepMs: Readonly<Record<string, { median: number }>>;
    };
    const ratio = stepTimes.stepMs['winner-1']!.median / stepTimes.stepMs['constant']!.median;
    expect(section('fastest')).toContain(`takes ${ratio.toFixed(2)} times`);
    const loss = (stage: string, name: string) =>
      (
        read(`experiments/recipe-search/results/laptop/${stage}/${name}.seed-10.json`) as {
          readings: readonly { loss: number }[];
        }
      ).readings.at(-1)!.loss;
    const lower = (value: number, base: number) => `${(100 * (1 - value / base)).toFixed(1)}%`;
    const best = loss('rates', 'schedule-free-lr0.016');
    const changes = ['cosine', 'speed', 'clts-average', 'clts', 'stratified'].map((name) =>
      lower(loss('changes', `schedule-free-lr0.016+${name}`), best),
    );
    const constant = loss('rates', 'constant-lr0.008');
    const optimizers = [best, loss('rates', 'muon-linear-lr0.01'), loss('rates', 'linear-lr0.016')].map((value) =>
      lower(value, constant),
    );
    // The results of experiments/start follow, which its own test compares.
    const [ofSearch] = section('should I use').split('Do not carry');
    const shares = [...ofSearch!.matchAll(/[\d.]+%/g)].map(([share]) => share);
    expect(shares).toEqual([...changes, ...optimizers]);
  });
});
