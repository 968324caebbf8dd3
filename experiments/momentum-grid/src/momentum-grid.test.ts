// The conclusion from synthetic results whose answer is known.
import { trialFields } from '@dm/experiments';
import { expect, it } from 'vitest';
import { momentumGrid } from './momentum-grid.js';
import type { MomentumResult } from './run-trial.js';
import { betas, finalTrials, gridTrials, type MomentumTrial } from './trial.js';

const bestOf = (beta1: number) => 0.008 * (1 - beta1);
/** A loss that falls with the steps, lowest at a learning rate proportional to 1 - beta1. */
const lossAt = ({ arm, seed }: MomentumTrial, step: number, penalty: number) => {
  const { momentum, lr } = arm.recipe.optimizer;
  const distance = Math.log(lr / bestOf(momentum)) ** 2;
  return (0.1 + 0.001 * seed) * (1 + penalty) * Math.exp(0.02 * distance) * (5000 / step) ** 0.1;
};
const oscillation = { first: -0.2, lowest: -0.3, lag: 5, lengthRatio: 20 };
const resultOf = (trial: MomentumTrial, penalty = 0): MomentumResult => ({
  ...trialFields(trial),
  parameters: 1,
  seconds: { training: 1, measuring: 1 },
  readings: Array.from({ length: 20 }, (_, k) => {
    const step = 250 * (k + 1);
    return { step, raw: 1, ema: lossAt(trial, step, penalty) };
  }),
  buckets: [],
  ...(trial.stage === 'final' && {
    path: {
      eigenvalues: [{ value: 1, residual: 0 }],
      hessianError: 0.01,
      eigenvectors: [oscillation],
      random: [{ ...oscillation, lowest: -0.05 - 0.001 * trial.seed }],
    },
  }),
});
const byArm = (results: readonly MomentumResult[]) =>
  new Map(results.map(({ arm }) => [arm, results.filter((one) => one.arm === arm)]));

const grid = byArm(gridTrials('laptop').map((trial) => resultOf(trial)));
const best = new Map(
  betas.map((beta1) => [beta1, Math.max(5e-4, 5e-4 * 2 ** Math.round(Math.log2(bestOf(beta1) / 5e-4)))]),
);
const finals = (penaltyOf: (beta1: number) => number) =>
  byArm(
    finalTrials('laptop', best).map((trial) =>
      // A small difference between seeds, so that intervals are not empty.
      resultOf(trial, penaltyOf(trial.arm.recipe.optimizer.momentum) + 1e-4 * trial.seed),
    ),
  );

it('plans 48 runs and, after them, three seeds of each beta1 at its best learning rate', () => {
  expect(gridTrials('laptop')).toHaveLength(48);
  const planned = momentumGrid.stages[1]!.trials('laptop', { grid });
  expect(planned).toHaveLength(18);
  const rates = new Map(planned.map(({ arm }) => [arm.recipe.optimizer.momentum, arm.recipe.optimizer.lr]));
  expect(rates).toEqual(best);
});

it('is open until the finals are finished', () => {
  const open = momentumGrid.conclude({ grid, final: new Map() }, 'laptop');
  expect(open.verdict).toBe('open');
  expect(open.tables).toHaveLength(1);
  expect(open.key).toBeUndefined();
});

it('concludes that a large momentum is slow if it is, with slope, steps, and oscillation', () => {
  const { verdict, tables, figures, numbers, sentences } = momentumGrid.conclude(
    { grid, final: finals((beta1) => (beta1 > 0.9 ? 0.05 : 0)) },
    'laptop',
  );
  expect(verdict).toBe('holds');
  // The two largest beta1 have their optimum at or below the lowest learning rate, which flattens the slope.
  const { value } = numbers['slope'] as { value: number };
  expect(value).toBeGreaterThan(0.6);
  expect(value).toBeLessThan(1);
  expect(sentences.join(' ')).toContain('edge of the grid');
  expect(tables.map(({ rows }) => rows.length)).toEqual([9, 6, 6]);
  // 5% more loss than .9 at its end: not reached within the run.
  const [slow] = (numbers['steps'] as Record<string, { steps: number; bound?: string }[]>)['0.98']!;
  expect(slow).toMatchObject({ bound: 'atLeast' });
  expect(tables[2]!.rows[0]![3]).toMatch(/^-0\.24\d/);
  expect(figures.map(({ name }) => name)).toEqual(['loss-by-learning-rate', 'oscillation']);
});

it('leaves seeds with inexact Hessian-vector products out of the oscillation', () => {
  const withErrors = (...errors: readonly (number | null)[]) =>
    byArm(
      [...finals(() => 0).values()]
        .flat()
        .map((result) =>
          result.recipe.optimizer.momentum === 0.9
            ? { ...result, path: { ...result.path!, hessianError: errors[result.seed]! } }
            : result,
        ),
    );
  const of = (...errors: readonly (number | null)[]) => {
    const { tables, numbers, sentences } = momentumGrid.conclude({ grid, final: withErrors(...errors) }, 'laptop');
    const { n } = (numbers['oscillation'] as Record<string, { n: number } | undefined>)['0.9'] ?? { n: 0 };
    const error = tables[2]!.rows.find(([beta1]) => beta1 === '0.9')!.at(-1);
    return { n, error, isReported: sentences.join(' ').includes(`${3 - n} with beta1 0.9.`) };
  };
  expect(of(0.01, 0.05, 0.02)).toEqual({ n: 3, error: '0.0500', isReported: false });
  expect(of(0.01, 0.051, 0.02)).toEqual({ n: 2, error: '0.0510', isReported: true });
  expect(of(0.01, null, 0.02)).toEqual({ n: 2, error: 'not finite', isReported: true });
  expect(of(null, null, null)).toEqual({ n: 0, error: 'not finite', isReported: true });
});

it('concludes that it is not if the losses are equal', () => {
  // Deviations of both signs: with three seeds no interval excludes 1.
  const noise = [0.01, -0.01, 0];
  const equal = byArm(
    finalTrials('laptop', best).map((trial, i) => {
      const result = resultOf(trial);
      return { ...result, readings: [{ step: 5000, raw: 1, ema: 0.1 * (1 + noise[(i + trial.seed) % 3]!) }] };
    }),
  );
  expect(momentumGrid.conclude({ grid, final: equal }, 'laptop').verdict).toBe('does not hold');
});

it('counts a beta1 whose finals diverge as worse, and leaves the verdict open if those of .9 do', () => {
  const withDiverged = (which: number) =>
    byArm(
      [...finals((beta1) => (beta1 === 0.95 ? 0.05 : 0)).values()]
        .flat()
        .map(({ path, ...result }) =>
          result.recipe.optimizer.momentum === which && result.seed === 1
            ? { ...result, readings: [], divergedAt: 10 }
            : { ...result, ...(path && { path }) },
        ),
    );
  const { verdict, sentences } = momentumGrid.conclude({ grid, final: withDiverged(0.98) }, 'laptop');
  expect(verdict).toBe('holds');
  expect(sentences.join(' ')).toContain('1 with beta1 0.98');
  expect(momentumGrid.conclude({ grid, final: withDiverged(0.9) }, 'laptop').verdict).toBe('open');
});
