import * as tf from '@tensorflow/tfjs-core';
import '@dm/ops';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, test } from 'vitest';
import { huberLoss, l1Loss, mseLoss, weightedMean } from '../losses/pointwise.js';
import { edmLevel } from '../levels/edm.js';
import type { NoiseLevel } from '../levels/level.js';
import { cosineSchedule } from '../schedules/cosine.js';
import { linearSchedule } from '../schedules/linear.js';
import { rescaleZeroTerminalSnr } from '../schedules/zero-terminal-snr.js';
import { forwardInputs, networkInputs, noiseLevels, targetInputs } from './coefficients.js';
import { addNoise, convertPrediction, predictionTarget } from './forward.js';
import { conversion, inputScale, type Prediction, predictions, targetCoefficients } from './prediction.js';

beforeAll(() => tf.setBackend('cpu'));

const [x0, epsilon] = [0.7, -1.3];
const linear = linearSchedule();
const zero = rescaleZeroTerminalSnr(cosineSchedule());
const levels: [string, NoiseLevel][] = [
  ['linear t = 0', noiseLevels(linear, [0])[0]!],
  ['linear t = 300', noiseLevels(linear, [300])[0]!],
  ['linear t = 999', noiseLevels(linear, [999])[0]!],
  ['cosine t = 999', noiseLevels(cosineSchedule(), [999])[0]!],
  ['pure noise', noiseLevels(zero, [999])[0]!],
  ['no noise', { t: -1, alpha: 1, sigma: 0 }],
  ['EDM sigma 0.002', edmLevel(0.002)],
  ['EDM sigma 80', edmLevel(80)],
  ['flow', { t: 400, alpha: 0.6, sigma: 0.4 }],
];

/** What a network that knows x_0 and epsilon would say. */
const exact = (prediction: Prediction, level: NoiseLevel): number => {
  const { x0: a, noise: b } = targetCoefficients(prediction, level);
  return a * x0 + b * epsilon;
};

const impossible = (from: Prediction, to: Prediction, { alpha, sigma }: NoiseLevel): boolean =>
  from !== to && ((from === 'epsilon' && alpha === 0) || (from === 'x0' && sigma === 0));
const conversions = levels.flatMap(([name, level]) =>
  predictions.flatMap((from) => predictions.map((to) => [`${from} to ${to} at ${name}`, from, to, level] as const)),
);

test.each(conversions.filter(([, from, to, level]) => !impossible(from, to, level)))('%s', (_, from, to, level) => {
  const seen = level.alpha * x0 + level.sigma * epsilon;
  const { x, output } = conversion(from, to, level);
  const value = x * seen + output * exact(from, level);
  // Where little of x_0 is left in x, the conversion itself amplifies rounding.
  const scale = 1 + Math.abs(x * seen) + Math.abs(output * exact(from, level));
  expect(Math.abs(value - exact(to, level))).toBeLessThan(1e-13 * scale);
});

test.each(conversions.filter(([, from, to, level]) => impossible(from, to, level)))(
  '%s is refused',
  (_, from, to, level) => {
    const reason = from === 'epsilon' ? 'SNR 0' : 'sigma 0';
    expect(() => conversion(from, to, level)).toThrowWith({ type: RangeError, contains: [from, `to ${to}`, reason] });
  },
);

describe('predictions', () => {
  test('v and epsilon by their definitions', () => {
    const level = noiseLevels(linear, [300])[0]!;
    expect(exact('v', level)).toBeCloseTo(level.alpha * epsilon - level.sigma * x0, 14);
    expect(exact('flow', level)).toBe(epsilon - x0);
    // x_0 = alpha x - sigma v, Eq. of Salimans & Ho.
    expect(conversion('v', 'x0', level).x).toBeCloseTo(level.alpha, 14);
    expect(conversion('v', 'x0', level).output).toBeCloseTo(-level.sigma, 14);
  });

  test.each([0.002, 0.5, 80])('edm is Table 1 of Karras et al. at sigma %f', (sigma) => {
    const [sd, s2] = [0.5, sigma * sigma];
    const { x, output } = conversion('edm', 'x0', edmLevel(sigma));
    expect(x).toBeCloseTo((sd * sd) / (s2 + sd * sd), 14); // c_skip
    expect(output).toBeCloseTo((sigma * sd) / Math.sqrt(s2 + sd * sd), 14); // c_out
    expect(inputScale('edm', edmLevel(sigma))).toBeCloseTo(1 / Math.sqrt(s2 + sd * sd), 12); // c_in
    expect(edmLevel(sigma).t).toBeCloseTo(Math.log(sigma) / 4, 14); // c_noise
  });

  test('edm with sigmaData 1 is -v on a variance-preserving level', () => {
    const level = noiseLevels(linear, [123])[0]!;
    const [edm, v] = [targetCoefficients('edm', level, { sigmaData: 1 }), targetCoefficients('v', level)];
    expect(edm.x0).toBeCloseTo(-v.x0, 14);
    expect(edm.noise).toBeCloseTo(-v.noise, 14);
    expect(inputScale('edm', level, { sigmaData: 1 })).toBeCloseTo(1, 14);
  });

  test('edm targets have unit variance for data of standard deviation sigmaData', () => {
    for (const [, level] of levels) {
      const { x0: a, noise: b } = targetCoefficients('edm', level, { sigmaData: 0.3 });
      expect((a * 0.3) ** 2 + b ** 2).toBeCloseTo(1, 12);
    }
  });

  test('refuses an unknown one and an impossible sigmaData', () => {
    const level = levels[0]![1];
    expect(() => targetCoefficients('score' as Prediction, level)).toThrowWith({
      type: RangeError,
      contains: ['epsilon, x0, v, flow', '"score"'],
    });
    expect(() => targetCoefficients('edm', level, { sigmaData: 0 })).toThrowWith({
      type: RangeError,
      contains: ['sigmaData', '> 0', 'got 0'],
    });
  });
});

describe('tensors', () => {
  const shape = [2, 2, 1, 3];
  const values = (phase: number): tf.Tensor =>
    tf.tensor(
      Array.from({ length: 12 }, (_, i) => Math.sin(2 * i + phase)),
      shape,
    );
  const batch = noiseLevels(linear, [10, 900]);

  test('x_t and each target, example by example', () => {
    const [image, noise] = [values(0), values(1)];
    const inputs = forwardInputs(batch);
    const xt = addNoise(image, noise, { alpha: tf.tensor(inputs.alpha.data), sigma: tf.tensor(inputs.sigma.data) });
    expect(xt.shape).toEqual(shape);
    const [a, n, x] = [image, noise, xt].map((t) => t.dataSync());
    for (let i = 0; i < 12; i++) {
      const { alpha, sigma } = batch[i < 6 ? 0 : 1]!;
      expect(x![i]).toBeCloseTo(alpha * a![i]! + sigma * n![i]!, 6);
    }
    for (const prediction of predictions) {
      const coefficients = targetInputs(prediction, batch);
      const target = predictionTarget(image, noise, {
        x0: tf.tensor(coefficients.x0.data),
        noise: tf.tensor(coefficients.noise.data),
      });
      const back = batch.map((level) => conversion(prediction, 'x0', level));
      const again = convertPrediction(xt, target, {
        x: tf.tensor(back.map((c) => c.x)),
        output: tf.tensor(back.map((c) => c.output)),
      }).dataSync();
      expect(again, prediction).toBeAllClose(a!, { atol: 1e-4 });
    }
  });

  test('what the network is told', () => {
    const edm = [edmLevel(1), edmLevel(2)];
    const { t, scale } = networkInputs('edm', edm);
    expect([...t.data]).toEqual([0, Math.fround(Math.log(2) / 4)]);
    expect([...scale.data]).toEqual([Math.fround(1 / Math.sqrt(1.25)), Math.fround(1 / Math.sqrt(4.25))]);
    expect([...networkInputs('epsilon', batch).t.data]).toEqual([10, 900]);
    expect([...networkInputs('epsilon', batch).scale.data]).toEqual([1, 1]);
  });

  test('losses by hand, and their weighted mean', () => {
    const prediction = tf.tensor([0, 0, 0, 0], [2, 2]);
    const target = tf.tensor([1, -3, 0.5, 0], [2, 2]);
    const check = (loss: tf.Tensor, expected: number[]): void =>
      expect([...loss.dataSync()]).toEqual(expected.map((v) => expect.closeTo(v, 6)));
    check(mseLoss(prediction, target), [5, 0.125]);
    check(l1Loss(prediction, target), [2, 0.25]);
    // torch.nn.functional.huber_loss: 0.5 and 2.5, 0.125 and 0.
    check(huberLoss()(prediction, target), [1.5, 0.0625]);
    check(huberLoss({ delta: 2 })(prediction, target), [(0.5 + 2 * (3 - 1)) / 2, 0.0625]);
    check(weightedMean(mseLoss(prediction, target), tf.tensor([2, 8])), [5.5]);
    expect(() => huberLoss({ delta: 0 })).toThrowWith({ type: RangeError, contains: ['delta', '> 0', 'got 0'] });
  });

  test('the gradient of Huber is the clipped difference', () => {
    const gradient = tf.grad((p) => tf.sum(huberLoss()(p, tf.zeros([1, 3]))))(tf.tensor([0.5, -4, 2], [1, 3]));
    expect([...gradient.dataSync()]).toEqual([0.5 / 3, -1 / 3, 1 / 3].map((v) => expect.closeTo(v, 6)));
  });
});
