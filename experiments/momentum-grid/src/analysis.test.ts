import { describe, expect, it } from 'vitest';
import { bestRates, compensationSlope, pairedLogRatio, stepsToValue } from './analysis.js';
import { speedVerdict } from './momentum-grid.js';
import type { MomentumResult } from './run-trial.js';

const lrs = [1e-3, 2e-3, 4e-3, 8e-3];
/** Losses whose logarithm is a parabola in log lr with its minimum at `optimum`. */
const parabola = (beta1: number, optimum: number) =>
  lrs.map((lr) => ({ beta1, lr, loss: 0.1 * Math.exp(Math.log(lr / optimum) ** 2) }));

describe('bestRates', () => {
  it('finds the minimum of a parabola between grid points, and its nearest grid point', () => {
    const [best] = bestRates(parabola(0.9, 3.3e-3).toReversed());
    expect(best).toMatchObject({ beta1: 0.9, lr: 4e-3, isEdge: false });
    expect(best!.fitted).toBeCloseTo(3.3e-3, 12);
  });

  it('takes an optimum at the edge, or next to a diverged run, as it is', () => {
    expect(bestRates(parabola(0, 2e-2))).toEqual([{ beta1: 0, lr: 8e-3, fitted: 8e-3, isEdge: true }]);
    const diverged = parabola(0, 4e-3).map((point) => (point.lr > 4e-3 ? { ...point, loss: null } : point));
    expect(bestRates(diverged)).toEqual([{ beta1: 0, lr: 4e-3, fitted: 4e-3, isEdge: false }]);
    expect(bestRates([{ beta1: 0, lr: 1, loss: null }])).toEqual([]);
    expect(bestRates([{ beta1: 0, lr: 1, loss: 0.1 }])).toEqual([{ beta1: 0, lr: 1, fitted: 1, isEdge: true }]);
  });
});

describe('compensationSlope', () => {
  const at = (rates: readonly (readonly [number, number])[]) =>
    rates.map(([beta1, fitted]) => ({ beta1, lr: fitted, fitted, isEdge: false }));

  it('is 1 for proportional rates', () => {
    const slope = compensationSlope(at([0, 0.5, 0.9, 0.98].map((beta1) => [beta1, 3 * (1 - beta1)])));
    expect(slope!.value).toBeCloseTo(1, 12);
    expect(slope!.high - slope!.low).toBeLessThan(1e-6);
    expect(compensationSlope(at([[0, 1]]))).toBeUndefined();
    const edge = { beta1: 0.95, lr: 1, fitted: 1, isEdge: true };
    const inside = at([0, 0.5, 0.9].map((beta1) => [beta1, 3 * (1 - beta1)]));
    expect(compensationSlope([...inside, edge])!.value).toBeCloseTo(1, 12);
  });

  it('agrees with scipy.stats.linregress', () => {
    // r = linregress(log(1 - beta), log(lr)); r.slope, r.stderr * t.ppf(.975, 3); log(2) / sqrt(12 sxx)
    const slope = compensationSlope(
      at([
        [0, 0.008],
        [0.5, 0.008],
        [0.8, 0.004],
        [0.9, 0.004],
        [0.98, 0.001],
      ]),
    );
    expect(slope!.value).toBeCloseTo(0.539129113206, 9);
    expect(slope!.high - slope!.value).toBeCloseTo(0.283283612179, 7);
    expect(slope!.gridError).toBeCloseTo(0.066084006053, 9);
  });
});

const result = (seed: number, ema: readonly number[]): MomentumResult => ({
  key: '',
  arm: 'a',
  about: '',
  seed,
  seconds: { training: 1, measuring: 0 },
  recipe: { optimizer: { momentum: 0.9, lr: 1 } } as MomentumResult['recipe'],
  size: {} as MomentumResult['size'],
  parameters: 1,
  readings: ema.map((value, k) => ({ step: 100 * 2 ** k, raw: value, ema: value })),
  buckets: [],
});

it('stepsToValue interpolates a power law exactly, and gives bounds outside the curve', () => {
  const run = result(0, [1, 0.5, 0.25]);
  expect(stepsToValue(run, 1 / 3)!.steps).toBeCloseTo(300, 6);
  expect(stepsToValue(run, 0.1)).toMatchObject({ bound: 'atLeast' });
  expect(stepsToValue(run, 0.1)!.steps).toBeCloseTo(400, 9);
});

it('pairedLogRatio pairs by seed', () => {
  const finals = (values: readonly number[]) => ({
    beta1: 0,
    lr: 1,
    results: values.map((value, seed) => result(seed, [1, value])),
  });
  const last = ({ readings }: MomentumResult) => readings.at(-1)!.ema;
  const ratio = pairedLogRatio(finals([0.2, 0.4, 0.8]), finals([0.1, 0.2, 0.4]), last)!;
  expect(ratio).toMatchObject({ n: 3 });
  for (const value of [ratio.mean, ratio.low!, ratio.high!]) expect(value).toBeCloseTo(2, 9);
});

it('the verdict follows the rule of the setup', () => {
  const worse = { mean: 1.1, low: 1.05, high: 1.15, n: 3 };
  const equal = { mean: 1, low: 0.95, high: 1.05, n: 3 };
  const better = { mean: 0.9, low: 0.85, high: 0.95, n: 3 };
  const of = (small: typeof worse, large: readonly (typeof worse)[]) =>
    speedVerdict(
      new Map([
        [0, small],
        [0.95, large[0]!],
        [0.98, large[1]!],
      ]),
    );
  expect(of(equal, [worse, worse])).toBe('holds');
  expect(of(equal, [equal, worse])).toBe('depends');
  expect(of(better, [equal, equal])).toBe('depends');
  expect(of(worse, [equal, better])).toBe('does not hold');
});
