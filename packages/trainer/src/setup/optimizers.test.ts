import { flatLayout, type FlatLayout } from '@dm/ops';
import { adamW, adEMAMix, lion, muon, scheduleFreeAdamW, sgd, type Optimizer } from '@dm/optim';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { decayNote, sigmaDataNote } from './option-notes.js';
import { createOptimizer } from './optimizers.js';
import { resolveConfig } from '../config/resolve.js';
import { UserError } from '../errors.js';

const layout: FlatLayout = flatLayout([
  { name: 'weight', shape: [3, 2], group: 'matrix' },
  { name: 'bias', shape: [2], group: 'vector' },
]);
const totalSteps = 10;

type Options = Exclude<PartialConfig['optimizer'], string>;

function scheduled(optimizer: Options) {
  const config = resolveConfig([{ source: 'test', value: { optimizer: { lr: 0.1, ...optimizer } } }]);
  return createOptimizer(config.optimizer, totalSteps, layout);
}

/** Parameters after three steps down |p - 1|^2 / 2. */
function descend(optimizer: Optimizer, size = layout.size): Float32Array {
  return tf.tidy(() => {
    let params: tf.Tensor = tf.tensor1d(Array.from({ length: size }, (_, i) => Math.sin(i + 1)));
    let slots = Object.fromEntries(optimizer.slots.map((name) => [name, tf.zeros<tf.Rank>([size])]));
    for (let step = 0; step < 3; step++) {
      const scalars = Object.entries(optimizer.scalars(step)).map(([name, value]) => [name, tf.scalar(value)]);
      ({ params, slots } = optimizer.update(params, tf.sub(params, 1), slots, Object.fromEntries(scalars)));
    }
    return params.dataSync<'float32'>().slice();
  });
}

const plain = { momentumDecay: null } as const;
const demon = (step: number) => (0.9 * (1 - step / 10)) / (0.1 + 0.9 * (1 - step / 10));

describe('an optimizer by its name is that of @dm/optim', () => {
  it.each<[Options, Optimizer]>([
    [{}, adamW({ lr: (k) => 0.1 * (1 - 0.09 * k), beta1: demon, weightDecay: 0 })],
    [
      {
        ...plain,
        weightDecay: 0.5,
        decayGroups: ['matrix'],
        lrSchedule: { type: 'linear', finalRatio: 0.5 },
        warmup: 2,
      },
      adamW({
        lr: (k) => 0.1 * (1 - 0.05 * k) * Math.min(1, (k + 1) / 2),
        weightDecay: { layout, byGroup: { matrix: 0.5 } },
      }),
    ],
    [
      { type: 'sgd', momentumDecay: { compensate: false }, form: 'heavyBall', nesterov: true },
      sgd({ lr: 0.1, momentum: demon, form: 'heavyBall', nesterov: true }),
    ],
    [
      { ...plain, type: 'lion', betas: [0.8, 0.95], weightDecay: 0.1 },
      lion({ lr: 0.1, beta1: 0.8, beta2: 0.95, weightDecay: 0.1 }),
    ],
    [
      { ...plain, type: 'muon', matrixLr: 0.3, matrixMomentum: 0.6, warmup: 2 },
      muon({
        layout,
        lr: (k) => 0.3 * Math.min(1, (k + 1) / 2),
        momentum: 0.6,
        weightDecay: 0,
        adam: { lr: (k) => 0.1 * Math.min(1, (k + 1) / 2) },
      }),
    ],
    [
      { ...plain, type: 'muon', matrixLr: 0.3, adjustLr: 'matchRmsAdamW', warmup: 3, warmupRule: 'diffusers' },
      muon({
        layout,
        lr: (k) => 0.1 * k,
        momentum: 0.95,
        weightDecay: 0,
        adjustLr: 'matchRmsAdamW',
        adam: { lr: (k) => (0.1 * k) / 3 },
      }),
    ],
    [{ ...plain, type: 'adEMAMix', alpha: 5, beta3: 0.99 }, adEMAMix({ lr: 0.1, alpha: 5, beta3: 0.99 })],
    [{ ...plain, type: 'scheduleFreeAdamW', warmup: 2 }, scheduleFreeAdamW({ lr: 0.1, warmupSteps: 2 })],
  ])('%j', (options, expected) => {
    const { optimizer } = scheduled(options);
    expect(optimizer.name).toBe(expected.name);
    descend(expected).forEach((value, i) => expect(descend(optimizer)[i]).toBeCloseTo(value, 6));
  });

  it('tells of its learning rate and momentum, warm-up and decay included', () => {
    const { lr, momentum } = scheduled({ warmup: 4, lrSchedule: { type: 'inverseSqrt', decaySteps: 2 } });
    expect(lr(0)).toBeCloseTo(0.025);
    expect(lr(8)).toBeCloseTo((0.1 / 2) * (1 - 0.09 * 8));
    expect(momentum(0)).toBeCloseTo(0.9, 12);
    expect(momentum(8)).toBeCloseTo(demon(8), 12);
  });
});

it("a warm-up by diffusers' rule comes before the schedule, which lasts for the rest of the run", () => {
  const { lr } = scheduled({ ...plain, warmup: 4, warmupRule: 'diffusers', lrSchedule: { type: 'cosine' } });
  const expected = [0, 0.025, 0.05, 0.075, 0.1, (0.1 * (1 + Math.cos(Math.PI / 6))) / 2];
  expect(expected.map((_, step) => lr(step))).toEqual(expected.map((value) => expect.closeTo(value, 12)));
});

it('Muon leaves input, output, and time layers to Adam, unless all matrices are asked for', () => {
  const outer = flatLayout([
    { name: 'conv_in.weight', shape: [3, 2], group: 'matrix', outer: true },
    { name: 'weight', shape: [3, 2], group: 'matrix' },
  ]);
  const stepOf = (options: Options) => {
    const config = resolveConfig([{ source: 'test', value: { optimizer: { ...plain, type: 'muon', ...options } } }]);
    return descend(createOptimizer(config.optimizer, totalSteps, outer).optimizer, outer.size);
  };
  const [hidden, all] = [stepOf({}), stepOf({ orthogonalize: 'all' })];
  expect(hidden.slice(0, 6)).not.toEqual(all.slice(0, 6));
  expect(hidden.slice(6)).toEqual(all.slice(6));
});

describe('refused', () => {
  it.each<[Options, string, string[]]>([
    [{ type: 'adEMAMix' }, 'CONFIG_INVALID', ['adEMAMix', 'momentum decay', 'optimizer.momentumDecay=null']],
    [
      { type: 'scheduleFreeAdamW', ...plain, lrSchedule: { type: 'cosine' } },
      'CONFIG_INVALID',
      ['scheduleFreeAdamW', 'optimizer.lrSchedule=constant'],
    ],
    [
      { type: 'scheduleFreeAdamW', ...plain, warmupRule: 'diffusers' },
      'CONFIG_INVALID',
      ['scheduleFreeAdamW', 'optimizer.warmupRule'],
    ],
    [
      { type: 'sgd', weightDecay: 0.1, decayGroups: ['matrix'] },
      'CONFIG_INVALID',
      ['sgd', 'optimizer.decayGroups', 'optimizer.weightDecay=0'],
    ],
    [{ type: 'sgd', nesterow: true } as Options, 'CONFIG_UNKNOWN_FIELD', ['"optimizer.nesterow"', 'mean "nesterov"']],
    [{ type: 'adamW', nesterov: true } as Options, 'CONFIG_UNKNOWN_FIELD', ['"optimizer.nesterov"']],
    [{ nesterov: true }, 'CONFIG_INVALID', ['optimizer', 'type adamW', '"nesterov"']],
    [{ type: 'muon', iterations: 0 }, 'CONFIG_INVALID', ['optimizer.iterations', 'at least 1', 'got 0']],
  ])('%j', (options, code, contains) => {
    expect(() => scheduled(options)).toThrowWith({ type: UserError, code, contains });
  });
});

describe('warm-up and momentum decay', () => {
  it('decays linearly to finalBeta over the steps after a warm-up that is a share of the run', () => {
    const { lr, momentum } = scheduled({
      warmupShare: 0.4,
      momentumDecay: { type: 'linear', finalBeta: 0.5, afterWarmup: true },
    });
    expect([0, 4, 7, 10].map(momentum)).toEqual([0.9, 0.9, 0.7, 0.5].map((beta) => expect.closeTo(beta, 12) as number));
    expect(lr(1)).toBeCloseTo(0.1 * 0.5, 12);
    expect(lr(7)).toBeCloseTo((0.1 * 0.1) / (1 - 0.7), 12);
  });

  it.each<[Options, string[]]>([
    [{ warmup: 2, warmupShare: 0.1 }, ['warmupShare', '0.1', 'warmup is 2']],
    [{ momentumDecay: { type: 'demon', finalBeta: 0.95 } }, ['finalBeta', '0.95', '0.9']],
    [{ warmup: 10, momentumDecay: { type: 'demon', afterWarmup: true } }, ['afterWarmup', '10 of 10']],
  ])('refuses %j', (optimizer, contains) => {
    expect(() => scheduled(optimizer)).toThrowWith({ code: 'CONFIG_INVALID', contains, type: UserError });
  });
});

it('notes a learning rate that decays twice', () => {
  const noteOf = (optimizer: Options) => decayNote(resolveConfig([{ source: 'test', value: { optimizer } }]).optimizer);
  expect(noteOf({ lrSchedule: 'cosine' })).toMatch(/"cosine".*--no-momentum-decay.*--lr-schedule constant/);
  expect(noteOf({})).toBeUndefined();
  expect(noteOf({ lrSchedule: 'cosine', momentumDecay: null })).toBeUndefined();
  expect(noteOf({ lrSchedule: 'cosine', momentumDecay: { compensate: false } })).toBeUndefined();
});

it('notes a loss weighting with another sigmaData than the prediction', () => {
  const noteOf = (prediction: object, lossWeighting: object) => {
    const value = { diffusion: { prediction }, lossWeighting } as PartialConfig;
    return sigmaDataNote(resolveConfig([{ source: 'test', value }]));
  };
  const one = { type: 'edm', sigmaData: 1 };
  expect(noteOf(one, { type: 'edm' })).toMatch(/is 1 in .*0\.5 in .*"edm".*lossWeighting\.sigmaData=1/);
  expect(noteOf(one, { type: 'softMinSnr', sigmaData: 2 })).toContain('2 in');
  expect(noteOf(one, one)).toBeUndefined();
  expect(noteOf(one, { type: 'minSnr' })).toBeUndefined();
  expect(noteOf({ type: 'edm' }, { type: 'edm', sigmaData: 2 })).toBeUndefined();
});
