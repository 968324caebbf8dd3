// Against TFLite's run of the model that the weights were cut from: tools/extractors/mobilenet.py.
import { readFileSync } from 'node:fs';
import { openOnnxEngine } from '@dm/jit';
import { parseSafetensors } from '@dm/models';
import { openEagerEngine, type Engine } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openMobilenetExtractor, openRandomExtractor } from './mobilenet.js';
import { formulaImages, relativeDifference } from '../testing/images.js';

const fixture = parseSafetensors(readFileSync(new URL('fixtures/mobilenet.safetensors', import.meta.url)));

let engine: Engine;
beforeAll(async () => {
  engine = await openOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

describe('mobilenetExtractor', () => {
  it("has TFLite's features, in batches that do not come out even", async () => {
    const extractor = await openMobilenetExtractor({ engine, batchSize: 3 });
    const { features, logits } = await extractor.features(formulaImages(4, 96));
    expect(features).toBeAllClose(fixture.tensors['features']!.data, { rtol: 1e-5, relativeTo: 'norm' });
    expect(logits).toBeUndefined();
    expect(extractor).toMatchObject({
      name: 'mobilenet',
      dimensions: 576,
      resize: 'Pillow bicubic 96x96',
      comparable: false,
      weightsSha256: 'b3582a2de383625e4347927a3ed34842bf9e3b000ab367ff8dfc714b3c5ddcba',
    });
    await extractor.dispose();
  });

  it('has the same features on the eager engine', async () => {
    const eager = await openEagerEngine('tfjs-cpu');
    const extractor = await openMobilenetExtractor({ engine: eager, batchSize: 1 });
    const { features } = await extractor.features(formulaImages(1, 96));
    expect(features).toBeAllClose(fixture.tensors['features']!.data.subarray(0, 576), {
      rtol: 1e-5,
      relativeTo: 'norm',
    });
    await extractor.dispose();
    await eager.dispose();
  });

  it('takes any size, gray as three equal channels, by each resize', async () => {
    const gray = formulaImages(2, 32, 1);
    const rgb = { data: Uint8Array.from({ length: 2 * 32 * 32 * 3 }, (_, i) => gray.data[Math.floor(i / 3)]!) };
    const features = [];
    for (const resize of ['antialiased', 'bilinear', 'libvips'] as const) {
      const extractor = await openMobilenetExtractor({ engine, resize, batchSize: 2 });
      const one = await extractor.features(gray);
      const three = await extractor.features({ ...rgb, shape: [2, 32, 32, 3] });
      expect(one.features).toBeAllClose(three.features, { rtol: 1e-5, relativeTo: 'norm' });
      features.push(one.features);
      await extractor.dispose();
    }
    // Close, but not the same: the identity carries the method.
    for (const other of features.slice(1)) {
      expect(relativeDifference(features[0]!, other)).toBeGreaterThan(1e-3);
      expect(relativeDifference(features[0]!, other)).toBeLessThan(0.5);
    }
  });

  it('refuses what it cannot take', async () => {
    const extractor = await openMobilenetExtractor({ engine });
    await expect(extractor.features(formulaImages(1, 8, 2))).rejects.toThrowWith({
      code: 'IMAGES_UNSUPPORTED',
      contains: ['2 channels'],
    });
    await extractor.dispose();
    await expect(openMobilenetExtractor({ engine, batchSize: 0 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['batchSize', '>= 1', 'got 0'],
    });
  });
});

describe('randomExtractor', () => {
  it('has features that follow from the seed and differ between images', async () => {
    const images = formulaImages(2, 32);
    const open = async (seed: number) => {
      const extractor = await openRandomExtractor({ engine, seed, batchSize: 2 });
      const { features } = await extractor.features(images);
      await extractor.dispose();
      return { name: extractor.name, sha256: extractor.weightsSha256, features };
    };
    const [a, again, b] = [await open(3), await open(3), await open(4)];
    expect(a.name).toBe('random');
    expect(again).toEqual(a);
    expect(b.sha256).not.toBe(a.sha256);
    expect(relativeDifference(b.features, a.features)).toBeGreaterThan(0.1);
    // Neither dead nor saturated, and each image has its own.
    const mean = a.features.reduce((sum, value) => sum + value, 0) / a.features.length;
    expect(mean).toBeGreaterThan(0.3);
    expect(mean).toBeLessThan(4);
    expect(relativeDifference(a.features.subarray(0, 576), a.features.subarray(576))).toBeGreaterThan(0.02);
  });
});
