import { normal, normalBatch } from '@dm/core';
import { float32 } from '@dm/ops';
import { expect, it } from 'vitest';
import { latentsTrials } from './latents-arms.js';
import { judgedGroups } from './latents-report.js';
import { affineR2, type LatentsGroup, type LatentsResult } from './latents.js';
import { comparePair, withoutProjections, type PairReport } from './pairs.js';

const indices = Array.from({ length: 600 }, (_, i) => i);
const noise = normalBatch({ seed: 1, stream: 'probe', indices }, [4]);

it('an affine map of the noise explains itself, half of the variance with as much noise, and nothing of other noise', () => {
  const affine = noise.data.map((value, i) => 2 * value + 0.5 * noise.data[i - (i % 4)]! + 3);
  const other = normal({ seed: 2, stream: 'probe' }, affine.length);
  const r2 = (values: Float32Array) => affineR2(noise, float32(values, noise.shape), 300);
  expect(r2(affine)).toBeCloseTo(1, 6);
  expect(r2(noise.data.map((value, i) => value + other[i]!))).toBeGreaterThan(0.4);
  expect(r2(noise.data.map((value, i) => value + other[i]!))).toBeLessThan(0.6);
  expect(Math.abs(r2(other))).toBeLessThan(0.1);
});

it('projections onto two sets of samples leave what is orthogonal to both', () => {
  // Relative to the means, the samples are +-(2 g + 3 h + r), with orthogonal r, and h not orthogonal to g.
  const [g, h, r] = [
    [8, 8, -8, -8],
    [8, 0, -8, 0],
    [4, -4, 4, -4],
  ] as const;
  const set = (row: readonly number[], mean: number) =>
    Uint8Array.from([1, -1].flatMap((sign) => row.map((value) => mean + sign * value)));
  const samples = set(
    g.map((value, i) => 2 * value + 3 * h[i]! + r[i]!),
    128,
  );
  const rest = withoutProjections(samples, [set(g, 100), set(h, 90)], 4);
  [...r, ...r.map((value) => -value)].forEach((value, i) => expect(rest[i]).toBeCloseTo(value, 4));
});

it('compares equal samples and unrelated ones', () => {
  const samples = Uint8Array.from(noise.data, (value) => Math.min(255, Math.max(0, 128 + 40 * value)));
  const shifted = Uint8Array.from(samples, (_, i) => samples[(i + 40) % samples.length]!);
  expect(comparePair(samples, samples, [4]).same.mean).toBe(1);
  expect(Math.abs(comparePair(samples, shifted, [4]).same.mean)).toBeLessThan(0.1);
});

/** Three pairs whose cosines for the same noise are `same`, and .1 for the nearest other sample. */
const reports = (same: number): PairReport[] =>
  [-0.01, 0, 0.01].map((by) => ({
    metric: 'cosine',
    higherIsCloser: true,
    same: { mean: same + by },
    random: { mean: by },
    nearest: { mean: 0.1 },
    retrieval: { mean: 0 },
  }));

function results(trained: number, untrained: number): ReadonlyMap<string, readonly LatentsResult[]> {
  const group = (name: string, kind: LatentsGroup['kind'], same: number): LatentsGroup => ({
    name,
    kind,
    pairs: { cosine: reports(same) },
  });
  const of = (groups: readonly LatentsGroup[]) => [{ groups } as unknown as LatentsResult];
  return new Map([
    [
      'flow',
      of([
        group('flow, another seed', 'trained', trained),
        group('UNet and flow', 'trained', 0.5),
        group('DiT and flow', 'trained', 0.5),
        group('copy', 'control', trained),
      ]),
    ],
    [
      'untrained-flow',
      of([
        group('untrained flow, another seed', 'untrained', untrained),
        group('UNet and untrained flow', 'untrained', 0.05),
      ]),
    ],
  ]);
}

it('a measure is void if untrained models agree as well', () => {
  const agreement = (trained: number, untrained: number) =>
    judgedGroups(results(trained, untrained)).map((one) => one.agreement);
  // Each group has its own control; without one, it is undecided.
  const low = 'more alike than chance';
  expect(agreement(0.8, 0.05)).toEqual(['reproduced', 'reproduced', 'undecided', 'reproduced', low, low]);
  expect(agreement(0.8, 0.9)).toEqual(['void', 'reproduced', 'undecided', 'reproduced', 'reproduced', low]);
  expect(agreement(0, 0)).toEqual(['unrelated', 'reproduced', 'undecided', 'unrelated', 'unrelated', low]);
});

it('plans trained models with their untrained controls, which differ in nothing else', () => {
  const trials = latentsTrials('laptop', undefined);
  const byName = new Map(trials.map(({ arm }) => [arm.name, arm.recipe]));
  const trained = [...byName].filter(([, { isTrained }]) => isTrained);
  expect(trained).toHaveLength(byName.size / 2);
  for (const [name, recipe] of trained) {
    expect(byName.get(`untrained-${name}`)).toEqual({ ...recipe, isTrained: false });
  }
});
