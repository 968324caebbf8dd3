import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { adam } from './adam.js';
import { adEMAMix } from './ademamix.js';
import { adamW } from './adamw.js';
import { lion } from './lion.js';
import { momentumDecay } from './momentum-decay.js';
import { muon, orthogonalize } from './muon.js';
import type { Optimizer } from './optimizer.js';
import { scheduleFreeAdamW, scheduleFreeAverage } from './schedule-free.js';
import { sgd } from './sgd.js';
import { gradient, layout, startingPoint, trajectory } from './testing.js';

/** Written by tools/parity/optim_fixture.py in float64: case → number of steps → parameters. */
const { cases } = JSON.parse(readFileSync(new URL('fixtures/optimizers.json', import.meta.url), 'utf8')) as {
  cases: Record<string, Record<string, number[]>>;
};

beforeAll(() => tf.setBackend('cpu'));

/** Relative above 1, absolute below. */
const tolerance = { rtol: 1e-5, floor: 1 };

const decay = { lr: 0.02, totalSteps: 100, b0: 0.9 };
const optimizers: Record<string, Optimizer> = {
  adam: adam({ lr: 0.02, weightDecay: 0.1 }),
  adamW: adamW({ lr: 0.02, beta1: 0.8, beta2: 0.99, weightDecay: 0.05 }),
  sgd: sgd({ lr: 0.02, form: 'heavyBall', weightDecay: 0.1 }),
  'sgd nesterov': sgd({ lr: 0.02, form: 'heavyBall', nesterov: true }),
  lion: lion({ lr: 0.01, weightDecay: 0.1 }),
  adEMAMix: adEMAMix({ lr: 0.02, warmupSteps: 60, weightDecay: 0.05 }),
  scheduleFreeAdamW: scheduleFreeAdamW({ lr: 0.02, weightDecay: 0.05, warmupSteps: 10 }),
  'momentum decay': adamW({ ...momentumDecay(decay), weightDecay: 0.05 }),
  demon: adamW({ ...momentumDecay({ ...decay, compensate: false }), weightDecay: 0.05 }),
  // Small enough not to reach the bottom: there Newton-Schulz makes unit steps out of rounding errors.
  muon: muon({ layout, lr: 0.01, adam: { lr: 0.02 } }),
  'muon matchRmsAdamW': muon({ layout, lr: 0.01, adjustLr: 'matchRmsAdamW', adam: { lr: 0.02 } }),
};

describe('100 steps equal the reference to 1e-5', () => {
  it.each(Object.entries(optimizers))('%s', (name, optimizer) => {
    const history = trajectory(optimizer, 100);
    for (const [steps, expected] of Object.entries(cases[name]!)) {
      expect(history[Number(steps) - 1]!.params).toBeAllClose(expected, tolerance);
    }
  });

  it("schedule-free's average x", () => {
    const history = trajectory(optimizers.scheduleFreeAdamW!, 100);
    for (const [steps, expected] of Object.entries(cases['scheduleFreeAdamW average']!)) {
      const { params, slots } = history[Number(steps) - 1]!;
      const average = tf.tidy(() =>
        scheduleFreeAverage(tf.tensor1d(params), tf.tensor1d(slots.ahead!)).dataSync<'float32'>().slice(),
      );
      expect(average).toBeAllClose(expected, tolerance);
    }
  });
});

describe('momentum decay with compensation equals the plain loop in float64 over 100 steps to 1e-5', () => {
  const steps = Array.from({ length: 100 }, (_, step) => {
    const tau = step / 100;
    const beta = (0.9 * (1 - tau)) / (0.1 + 0.9 * (1 - tau));
    return { step, beta, lr: (0.02 * 0.1) / (1 - beta) };
  });
  const { lr, beta1 } = momentumDecay(decay);

  it('on SGD', () => {
    const p = startingPoint();
    const m = new Float64Array(p.length);
    for (const { step, beta, lr: rate } of steps) {
      const g = gradient(p, step);
      p.forEach((_, i) => (p[i]! -= rate * (m[i] = beta * m[i]! + (1 - beta) * g[i]!)));
    }
    expect(trajectory(sgd({ lr, momentum: beta1 }), 100).at(-1)!.params).toBeAllClose([...p], tolerance);
  });

  it('on Adam, its bias corrected by the product of the betas used so far', () => {
    const p = startingPoint();
    const [m, v] = [new Float64Array(p.length), new Float64Array(p.length)];
    let product = 1;
    for (const { step, beta, lr: rate } of steps) {
      product *= beta;
      gradient(p, step).forEach((g, i) => {
        const mean = (m[i] = beta * m[i]! + (1 - beta) * g);
        const square = (v[i] = 0.999 * v[i]! + 0.001 * g * g);
        p[i]! -= (rate * (mean / (1 - product))) / (Math.sqrt(square / (1 - 0.999 ** (step + 1))) + 1e-8);
      });
    }
    expect(trajectory(adam({ lr, beta1 }), 100).at(-1)!.params).toBeAllClose([...p], tolerance);
  });
});

describe('adamW', () => {
  it('decays by group: the named groups only', () => {
    const lr = 0.1;
    const zero = (p: ArrayLike<number>): Float64Array => new Float64Array(p.length);
    const start = new Float64Array(layout.size).fill(1);
    const byGroup = adamW({ lr, weightDecay: { layout, byGroup: { matrix: 0.5 } } });
    const { params } = trajectory(byGroup, 1, zero, start)[0]!;
    expect([...params].map((x) => x.toFixed(6))).toEqual([
      ...Array.from({ length: 12 }, () => '0.950000'),
      ...Array.from({ length: 5 }, () => '1.000000'),
    ]);
  });

  it('refuses impossible options by name', () => {
    expect(() => adamW({ lr: 1, beta1: 1 })).toThrow('adamW: beta1 must be in [0, 1), got 1');
    expect(() => adamW({ lr: 1, beta2: -0.1 })).toThrow('adamW: beta2 must be in [0, 1), got -0.1');
    expect(() => adamW({ lr: 1, eps: 0 })).toThrow('adamW: eps must be a number > 0, got 0');
    expect(() => adamW({ lr: 1, weightDecay: -1 })).toThrow('adamW: weightDecay must be a number >= 0, got -1');
    expect(() => adamW({ lr: 1, weightDecay: { layout, byGroup: { norm: 1 } } })).toThrow(
      'adamW: weightDecay names the group "norm"; the layout has matrix, vector',
    );
  });

  it('has scalars that depend on the step alone, in whatever order they are asked for', () => {
    const fresh = adamW({ ...momentumDecay(decay) });
    const late = fresh.scalars(57);
    const walked = adamW({ ...momentumDecay(decay) });
    for (let step = 0; step < 57; step++) walked.scalars(step);
    expect(walked.scalars(57)).toEqual(late);
    expect(fresh.scalars(3)).toEqual(walked.scalars(3));
    expect(Object.keys(fresh.scalars(0))).toEqual(Object.keys(fresh.scalars(99)));
  });
});

describe('sgd', () => {
  it('in the averaged form is the heavy ball with lr (1 - beta)', () => {
    const averaged = trajectory(sgd({ lr: 0.2, momentum: 0.9 }), 50).at(-1)!;
    const heavyBall = trajectory(sgd({ lr: 0.02, momentum: 0.9, form: 'heavyBall' }), 50).at(-1)!;
    expect(averaged.params).toBeAllClose([...heavyBall.params], tolerance);
  });

  it('under momentum decay with compensation keeps the weight of the newest gradient', () => {
    const { lr, beta1 } = momentumDecay(decay);
    const optimizer = sgd({ lr, momentum: beta1 });
    for (const step of [0, 20, 60, 99]) {
      const { lr: rate, gain } = optimizer.scalars(step);
      expect(rate! * gain!).toBeCloseTo(0.02 * 0.1, 14);
    }
  });

  it('refuses an unknown form', () => {
    expect(() => sgd({ lr: 1, form: 'heavy' as 'heavyBall' })).toThrow(
      /form must be one of averaged, heavyBall, got "heavy"/,
    );
  });
});

describe('muon', () => {
  it.each([
    [4, 7],
    [7, 4],
    [5, 5],
  ])('brings the singular values of a [%i, %i] matrix near 1', (rows, cols) => {
    const ratios = tf.tidy(() => {
      const matrix = tf.tensor2d(
        Array.from({ length: rows * cols }, (_, i) => Math.sin(i * i + 0.3)),
        [rows, cols],
      );
      const o = orthogonalize(matrix, 5);
      const gram = rows <= cols ? tf.matMul(o, o, false, true) : tf.matMul(o, o, true, false);
      return gram.arraySync() as number[][];
    });
    // The Gram matrix of orthonormal rows is the identity; Muon's polynomial lands within 0.5 of it.
    ratios.forEach((row, i) => {
      row.forEach((value, j) => expect(Math.abs(value - (i === j ? 1 : 0))).toBeLessThan(0.55));
    });
  });

  it('refuses a hidden vector and a layout without matrices', () => {
    const adamOptions = { adam: { lr: 1 } };
    expect(() => muon({ layout, lr: 1, isHidden: () => true, ...adamOptions })).toThrow(/"bias" has shape \[5\]/);
    expect(() => muon({ layout, lr: 1, isHidden: () => false, ...adamOptions })).toThrow(/no parameter .* is hidden/);
  });
});
