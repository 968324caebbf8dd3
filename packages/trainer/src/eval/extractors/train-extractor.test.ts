import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSafetensors } from '@dm/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEngine } from '../../setup/engine.js';
import { tinyFolder } from '../../testing/tiny.js';
import { openExtractor } from './extractor.js';
import { measureThroughput, throughputText } from './throughput.js';
import { trainExtractor } from './train-extractor.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('trainExtractor', () => {
  it('tests on a tenth of a set without splits, chosen at random, and its file opens by name', async () => {
    const engine = await openEngine('onnx', { threads: 1 });
    const seen: number[] = [];
    const trained = await trainExtractor({
      data: join(folder, 'data.npz'),
      engine,
      epochs: 2,
      batchSize: 7,
      onProgress: (done) => void seen.push(done),
    });
    // 23 images, two of them held out.
    expect(trained).toMatchObject({ testImages: 2, steps: 6 });
    expect(seen).toEqual([7, 14, 21, 28, 35, 42]);
    const { metadata } = parseSafetensors(trained.file);
    expect(metadata['data']).toMatch(/data\.npz, without a tenth/);
    expect(metadata['test_data']).toMatch(/data\.npz, a tenth/);

    const weights = join(folder, 'classifier.safetensors');
    writeFileSync(weights, trained.file);
    const extractor = await openExtractor('classifier', { weights, engine });
    expect(extractor.weightsSha256).toBe(trained.sha256);
    await extractor.dispose();
    await expect(openExtractor('classifier', { engine })).rejects.toThrow('dm eval train-extractor');
    await expect(openExtractor('classifier', { engine, weights, resize: 'bilinear' })).rejects.toThrow('--resize');
    await engine.dispose();
  });
});

describe('measureThroughput', () => {
  it('hands over all images, the last ones too', async () => {
    const batches: number[] = [];
    const pixels = await openExtractor('pixels');
    const counting: typeof pixels = {
      ...pixels,
      features(images) {
        batches.push(images.shape[0]);
        return pixels.features(images);
      },
    };
    const measured = await measureThroughput(counting, { count: 70, batchSize: 32, shape: [16, 16, 1] });
    expect(batches).toEqual([32, 32, 32, 6]);
    expect(measured).toMatchObject({ extractor: 'pixels', count: 70, shape: [16, 16, 1] });
    expect(measured.imagesPerSecond).toBeCloseTo(70 / measured.seconds);
    expect(throughputText(measured)).toMatch(/^pixels: [\d.e+]+ images\/s.*\b70\b.*\b16x16x1\b/);
    await expect(measureThroughput(pixels, { count: 0 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['count', '>= 1', '0'],
    });
  });
});
