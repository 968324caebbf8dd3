import { normal, normalBatch } from '@dm/core';
import { toFloat } from '@dm/data';
import { openOnnxEngine } from '@dm/jit';
import { openEagerEngine, type Engine, float32, type NdArray } from '@dm/ops';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evenlySpacedIndices, openData } from '../trial/data.js';
import { openSampleMetric } from '../trial/sample-quality.js';
import {
  decoderGan,
  discriminatorObjective,
  ganLayouts,
  ganRecipe,
  generatorObjective,
  initialGanWeights,
  trainGan,
} from './gan.js';
import { createDecoder, LATENT_SIZE, type ImageShape } from './networks.js';
import type { CompiledObjective } from './objective.js';
import { decoderWeights, initialVaeWeights, trainVae, vaeLayout, vaeObjective, vaeRecipe } from './vae.js';

let onnx: Engine;
let cpu: Engine;
beforeAll(async () => {
  onnx = await openOnnxEngine({ threads: 1 });
  cpu = await openEagerEngine('tfjs-cpu');
});
afterAll(() => onnx.dispose());

const latents = (count: number, step = 0): NdArray =>
  normalBatch({ seed: 5, stream: 'probe', step, indices: Array.from({ length: count }, (_, i) => i) }, [LATENT_SIZE]);

function pictures(count: number, [h, w, c]: ImageShape): NdArray {
  const indices = Array.from({ length: count }, (_, i) => i);
  const noise = normalBatch({ seed: 6, stream: 'probe', indices }, [h, w, c]);
  return { ...noise, data: noise.data.map(Math.tanh) };
}

/**
 * Compares the derivative along the gradient plus a random vector of equal norm with central differences of the loss.
 */
async function expectGradient(objective: CompiledObjective, params: Float32Array): Promise<void> {
  const gradient = Float64Array.from(await objective.gradient(params));
  const random = normal({ seed: 7, stream: 'probe' }, params.length);
  const stretch = length(gradient) / length(random);
  const direction = gradient.map((g, i) => g + stretch * random[i]!);
  const h = 3e-4 / length(direction);
  const at = (t: number) => objective.loss(params.map((p, i) => p + t * direction[i]!));
  const difference = ((await at(h)) - (await at(-h))) / (2 * h);
  const along = direction.reduce((sum, d, i) => sum + d * gradient[i]!, 0);
  // float32 rounding and the kinks of leaky ReLU leave a relative error of a few 1e-4.
  expect(Math.abs(along - difference)).toBeLessThan(2e-3 * Math.abs(difference));
}

const length = (v: ArrayLike<number>): number => Math.hypot(...Array.from(v));

describe('losses on 8x8 images', () => {
  const shape: ImageShape = [8, 8, 1];
  const { generator, discriminator } = initialGanWeights(shape, 3);

  it('have gradients that match central differences, on tfjs-cpu', async () => {
    const networks = decoderGan(shape);
    const sizes = { generator: ganLayouts(shape).generator.size, discriminator: ganLayouts(shape).discriminator.size };
    const g = await generatorObjective(cpu, networks, { size: sizes.generator, discriminator, latents: latents(4) });
    await expectGradient(g, generator);
    const d = await discriminatorObjective(cpu, networks, {
      size: sizes.discriminator,
      generator,
      images: pictures(4, shape),
      latents: latents(4),
    });
    await expectGradient(d, discriminator);
    const v = await vaeObjective(cpu, shape, { images: pictures(4, shape), eps: latents(4) });
    await expectGradient(v, initialVaeWeights(shape, 3).params);
    expect([g.size, d.size, v.size]).toEqual([sizes.generator, sizes.discriminator, vaeLayout(shape).size]);
    for (const one of [g, d, v]) await one.dispose();
  });
});

describe('on MNIST at 12x12', () => {
  it('the GAN learns, and depends only on its seed', async () => {
    const train = await openData('mnist-12', 'train', 2048);
    const sampleMetric = await openSampleMetric(onnx, 'mnist-12', await openData('mnist-12', 'test', 1000));
    const decoder = createDecoder(onnx, train.shape, 1);
    const fd = async (weights: Float32Array) => (await sampleMetric.evaluate(await decoder.samples(weights, 256))).fd;
    const options = { train, engine: onnx, recipe: ganRecipe, seed: 0 };
    const seen: number[] = [];
    const { ema } = await trainGan({
      ...options,
      steps: 100,
      snapshotSteps: [50],
      onSnapshot: (step) => void seen.push(step),
    });
    expect(seen).toEqual([50]);
    expect(await fd(ema)).toBeLessThan(0.7 * (await fd(initialGanWeights(train.shape, 0).ema)));

    const short = await Promise.all([0, 0, 1].map((seed) => trainGan({ ...options, seed, steps: 2 })));
    expect(short[0]).toEqual(short[1]);
    expect(short[0]).not.toEqual(short[2]);
    await decoder.dispose();
  });

  it('the VAE learns, and depends only on its seed', async () => {
    const train = await openData('mnist-12', 'train', 2048);
    const heldOut = await openData('mnist-12', 'test', 1000);
    const { images } = await heldOut.read(evenlySpacedIndices(64, heldOut.length));
    const batch = float32(toFloat(images), [64, ...train.shape]);
    const objective = await vaeObjective(onnx, train.shape, { images: batch, eps: latents(64) });
    const options = { train, engine: onnx, recipe: vaeRecipe, seed: 0 };
    const { params, ema } = await trainVae({ ...options, steps: 100 });
    const untrained = await objective.loss(initialVaeWeights(train.shape, 0).params);
    // An uninformed decoder costs ln 2 per pixel.
    expect(untrained).toBeGreaterThan(144 * Math.LN2);
    expect(await objective.loss(params)).toBeLessThan(0.8 * untrained);
    expect(await objective.loss(ema)).toBeLessThan(0.8 * untrained);
    expect(decoderWeights(params, train.shape)).toHaveLength(ganLayouts(train.shape).generator.size);
    const short = await Promise.all([0, 0, 1].map((seed) => trainVae({ ...options, seed, steps: 2 })));
    expect(short[0]).toEqual(short[1]);
    expect(short[0]).not.toEqual(short[2]);
    await objective.dispose();
  });
});
