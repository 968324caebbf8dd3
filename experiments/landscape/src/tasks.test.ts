import { finalSize, generatorObjective } from '@dm/experiments';
import { hessianVectorProduct } from '@dm/eval';
import { normalBatch } from '@dm/core';
import { openEngine } from '@dm/trainer';
import { float32, type Engine } from '@dm/ops';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { classifier, maskedAutoencoder, supervisedObjective, taskUNet, unetGan } from './tasks.js';

const shape = [8, 8, 1] as const;
const noise = normalBatch({ seed: 1, stream: 'probe', indices: [0, 1, 2, 3] }, [...shape]);
const images = float32(
  Float32Array.from(noise.data, (value) => Math.tanh(2 * value)),
  noise.shape,
);
const labels = Int32Array.from([0, 1, 2, 1]);

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine('onnx', { threads: 1 });
});
afterAll(() => engine.dispose());

it('all tasks have the same layers, except for the output layer of the classifier', () => {
  const { unet } = finalSize.laptop;
  const [image, logits] = [taskUNet(unet, [12, 12, 1], 1), taskUNet(unet, [12, 12, 1], 10)];
  expect(image.layout.size).toBe(160_345);
  const inner = (entries: typeof image.layout.entries) => entries.filter(({ name }) => !name.startsWith('conv_out'));
  const shapes = (of: typeof image) => inner(of.layout.entries).map(({ name, shape: one }) => [name, one]);
  expect(shapes(logits)).toEqual(shapes(image));
  expect(logits.layout.size - image.layout.size).toBe(9 * (9 * 8 + 1));
  const starts = [image.initial(3), logits.initial(3)];
  for (const entry of inner(image.layout.entries)) {
    const other = logits.layout.entries.find(({ name }) => name === entry.name)!;
    const part = (of: Float32Array, { offset, size }: typeof entry) => of.subarray(offset, offset + size);
    expect(part(starts[1]!, other)).toEqual(part(starts[0]!, entry));
  }
});

it('Hessian-vector products of all tasks are exact to a few percent', async () => {
  const { unet } = finalSize.smoke;
  const [image, logits] = [taskUNet(unet, shape, 1), taskUNet(unet, shape, 3)];
  const networks = unetGan(image, shape);
  const { generator, discriminator } = networks.initial(5);
  const objectives = [
    await generatorObjective(engine, networks, { size: image.layout.size, discriminator, latents: noise }),
    await supervisedObjective(engine, maskedAutoencoder(image), { images, labels, noise }),
    await supervisedObjective(engine, classifier(logits, 3), { images, labels, noise }),
  ];
  const starts = [generator, image.initial(5), logits.initial(5)];
  for (const [k, objective] of objectives.entries()) {
    const { stepError } = await hessianVectorProduct(objective, starts[k]!);
    expect(stepError).toBeLessThan(0.05);
    await objective.dispose();
  }
});

it('the autoencoder is blind to the hidden pixels, and judged by them alone', async () => {
  const unet = taskUNet(finalSize.smoke.unet, shape, 1);
  const params = unet.initial(5);
  const lossOf = async (of: Float32Array) => {
    const batch = { images: float32(of, images.shape), labels, noise };
    const objective = await supervisedObjective(engine, maskedAutoencoder(unet), batch);
    const loss = await objective.loss(params);
    await objective.dispose();
    return loss;
  };
  const hidden = Array.from(noise.data, (value) => value > 0);
  const [a, count] = [images.data, hidden.filter(Boolean).length];
  const shifted = (by: number) => Float32Array.from(a, (value, i) => (hidden[i]! ? value + by : value));
  // The output does not depend on the hidden pixels x, so the mean of (x + c - y)^2 is a parabola in c with leading
  // coefficient 1.
  const [minus, zero, plus] = [await lossOf(shifted(-1)), await lossOf(shifted(0)), await lossOf(shifted(1))];
  expect((minus + plus) / 2 - zero).toBeCloseTo(1, 4);
  expect(count).toBeGreaterThan(0);
});
