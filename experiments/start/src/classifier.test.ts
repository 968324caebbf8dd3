import { createMemoryDataset } from '@dm/data';
import type { FeatureExtractor } from '@dm/eval';
import { expect, it } from 'vitest';
import { checkRule, probability, readDigits } from './classifier.js';

/** Reads an image of one brightness b as class b / 100, with the logit 10 unless b is between two classes. */
const byBrightness: FeatureExtractor = {
  name: 'brightness',
  weightsSha256: 'ab12',
  resize: 'none',
  dimensions: 1,
  comparable: false,
  hasLogits: true,
  features: async ({ data, shape: [count] }) => {
    const size = data.length / count;
    const brightness = Array.from({ length: count }, (_, i) => data[i * size]!);
    return {
      features: Float32Array.from(brightness),
      logits: Float32Array.from(brightness.flatMap((b) => [0, 1, 2].map((k) => 10 - Math.abs(b / 100 - k) * 20))),
    };
  },
  dispose: async () => {},
};

const labels = Int32Array.from({ length: 300 }, (_, i) => i % 3);
const images = Uint8Array.from({ length: 300 * 4 }, (_, i) => 100 * labels[i >> 2]!);

it('probability is the softmax, also of large logits', () => {
  // Values by hand: e / (1 + e + e^2).
  expect(probability([1000, 1001, 1002], 1)).toBeCloseTo(Math.E / (1 + Math.E + Math.E ** 2), 12);
});

it('readDigits counts images whose label is certain, across batches, and returns their features in order', async () => {
  const shown = { data: images, shape: [300, 2, 2, 1] as const };
  const right = await readDigits(byBrightness, shown, labels);
  expect(right.readable).toBe(1);
  expect(right.features).toEqual(Float32Array.from(labels, (label) => 100 * label));
  const halfWrong = labels.map((label, i) => (i < 150 ? label : (label + 1) % 3));
  expect((await readDigits(byBrightness, shown, halfWrong)).readable).toBe(0.5);
});

it('checkRule accepts real images and rejects averages of two classes', async () => {
  const dataset = createMemoryDataset({ name: 'gray', images, shape: [2, 2, 1], labels, classes: ['0', '1', '2'] });
  expect(await checkRule(byBrightness, dataset)).toEqual({
    testImages: 1,
    averages: 0,
    weightsSha256: 'ab12',
  });
});
