import { expect, it } from 'vitest';
import {
  comparisons,
  inexactSeeds,
  measureOverSeeds,
  unresolvedSeeds,
  wholeLosses,
  type TaskViews,
} from './compare.js';
import type { LandscapeResult, LandscapeView } from './run-trial.js';
import { measuresOf } from './measures.js';

const view = (
  largest: number,
  smallest: number,
  curvatures: readonly number[],
  drop = 2,
  stepError = 0,
): LandscapeView => ({
  name: 'whole',
  parameters: 3,
  loss: { start: 1 + drop, end: 1 },
  fromStart: { at: [0, 0.5, 1], loss: [1 + drop, 1 + drop / 2, 1], barrier: 0 },
  curvatures,
  spectrum: {
    largest: [largest],
    smallest: [smallest],
    residuals: { largest: 0, smallest: 0 },
    step: 0.01,
    stepError,
    eigenvectorError: 0,
  },
});

const task = (name: string, views: readonly LandscapeView[]): TaskViews => ({
  name,
  seeds: views.map((one, seed) => ({ seed, view: one })),
});

it('measures are relative to the drop, or to the largest eigenvalue', () => {
  expect(measuresOf(view(8, -2, [3, -4]))).toEqual({
    sharpness: 4,
    typicalCurvature: Math.sqrt(12.5) / 2,
    negativity: 0.25,
    negativityBound: 0.25,
    lineGap: 0,
  });
  expect(measuresOf(view(8, 1, [1])).negativity).toBe(0);
  expect(measuresOf(view(8, 1, [1], -1)).sharpness).toBeNaN();
});

it('ratios are geometric means of pairs, with the p-values of a paired t-test corrected by Holm', () => {
  const denoiser = task('denoiser', [view(1, -0.1, [1]), view(2, -0.1, [1]), view(4, -0.1, [1]), view(8, -0.1, [1])]);
  // Ratios of the largest eigenvalues: 2, 4, 8, 2.
  const other = task('gan', [view(2, -1, [1.1]), view(8, -2, [0.9]), view(32, -3, [1]), view(16, -9, [1])]);
  const [sharpness, curvature, negativity] = comparisons(denoiser, [other]);
  // scipy.stats.ttest_1samp(numpy.log([2, 4, 8, 2]), 0): mean, confidence_interval(), and pvalue.
  expect(sharpness!.ratio!.mean).toBeCloseTo(3.363585661, 8);
  expect(sharpness!.ratio!.low).toBeCloseTo(1.170009156, 6);
  expect(sharpness!.ratio!.high).toBeCloseTo(9.66976066, 6);
  expect(sharpness!.p).toBeCloseTo(0.035352847, 8);
  expect(curvature!.ratio!.mean).toBeCloseTo((1.1 * 0.9) ** 0.25, 12);
  // Three comparisons. The p-value of negativity is the second smallest; doubled, it is below the smallest one tripled.
  expect(negativity!.adjusted).toBeCloseTo(0.106058541, 8);
  expect(curvature!.adjusted!).toBeGreaterThanOrEqual(sharpness!.adjusted!);
});

it('a measure that is 0 with some seed has no ratio, and counts in the correction', () => {
  const denoiser = task('denoiser', [view(1, 1, [1]), view(2, -1, [1])]);
  const other = task('gan', [view(2, -1, [2]), view(3, -1, [3])]);
  const found = comparisons(denoiser, [other]);
  expect(found.map(({ ratio }) => ratio !== undefined)).toEqual([true, true, false]);
  expect(found[2]!.adjusted).toBeUndefined();
  expect(measureOverSeeds(denoiser, 'negativity')).toBeUndefined();
});

it('compares only seeds with which all tasks are finished', () => {
  const result = (seed: number): LandscapeResult => ({ seed, views: [view(1, -1, [1])] }) as unknown as LandscapeResult;
  const losses = wholeLosses(
    new Map([
      ['denoiser', [result(0), result(1)]],
      ['gan', [result(1)]],
    ]),
  );
  expect(losses.map(({ seeds }) => seeds.map(({ seed }) => seed))).toEqual([[1], [1]]);
});

it('leaves out a seed with inexact Hessian-vector products where eigenvalues are compared', () => {
  const denoiser = task('denoiser', [view(1, -1, [1]), view(1, -1, [1]), view(1, -1, [1])]);
  const other = task('gan', [view(2, -1, [2]), view(100, -100, [16], 2, 0.05), view(8, -1, [2], 2, 0.049)]);
  expect(inexactSeeds(other)).toEqual([1]);
  const [sharpness, curvature, negativity] = comparisons(denoiser, [other]);
  expect([sharpness!.ratio!.n, curvature!.ratio!.n, negativity!.ratio!.n]).toEqual([2, 3, 2]);
  expect(sharpness!.ratio!.mean).toBeCloseTo(4, 12);
  expect(curvature!.ratio!.mean).toBeCloseTo(4, 12);
  expect(negativity!.ratio!.mean).toBeCloseTo(1 / 4, 12);
});

it('bounds the ratio of eigenvalues that are not resolved', () => {
  const unresolved = view(10, -1, [1]);
  const spectrum = { ...unresolved.spectrum, residuals: { largest: 0, smallest: 3 } };
  const denoiser = task('denoiser', [{ ...unresolved, spectrum }, view(10, -4, [1])]);
  expect(unresolvedSeeds(denoiser)).toBe(1);
  const negativity = comparisons(denoiser, [task('gan', [view(10, -8, [1]), view(10, -8, [1])])])[2]!;
  expect(negativity.ratio!.mean).toBeCloseTo(4, 12);
  // (1 + 3) / 10 and 4 / 10, against 8 / 10.
  expect(negativity.bound!.mean).toBeCloseTo(2, 12);
});
