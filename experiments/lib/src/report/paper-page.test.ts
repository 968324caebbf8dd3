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
    const loss = (experiment: string, arm: string) => {
      const seeds = finals(experiment, 'final', arm).map(({ quarters }) => geometricMean(quarters));
      return (seeds.reduce((sum, value) => sum + value, 0) / seeds.length).toFixed(4);
    };
    const wiener = geometricMean(validationBounds().wiener.quarters);
    const numbers = [...section('claim by claim').matchAll(/0\.\d{4}/g)].map(([number]) => number);
    expect(numbers).toEqual([
      wiener.toFixed(4),
      loss('curriculum', 'uniform'),
      loss('best', 'muon-linear+v+clts-average'),
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
      [...section(words).matchAll(/[\d.]+ \([\d.]+ to [\d.]+\)/g)].map(([interval]) => interval);
    expect(intervals('(CLTS)')).toEqual([ratioText('curriculum', 'final', 'clts', 'uniform')]);
    expect(intervals('(MDLRC)')).toEqual([
      ratioText('momentum', 'final', 'mdlrc', 'constant'),
      ratioText('momentum', 'final', 'mdlrc', 'linear-10'),
    ]);
    const speedup = (experiment: string, arm: string) =>
      intervalText(results(experiment).numbers.byLength[arm]!['validation ema']!.speedup);
    expect(intervals('twice as fast')).toEqual([speedup('speedup', 'clts-mdlrc')]);
    const page = readFileSync(join(root, 'experiments/speedup/results/laptop/README.md'), 'utf8');
    const inTime = /^\| best \|.*\| (?<mean>[\d.]+) \[(?<low>[\d.]+), (?<high>[\d.]+)\] \|$/m.exec(
      page.slice(page.indexOf('### Step times')),
    )!.groups!;
    expect(intervals('fastest')).toEqual([
      speedup('best', 'muon-linear+v+clts-average'),
      `${inTime['mean']} (${inTime['low']} to ${inTime['high']})`,
    ]);
  });
});
