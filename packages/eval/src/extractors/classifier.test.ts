import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryDataset, type Dataset } from '@dm/data';
import { openOnnxEngine } from '@dm/jit';
import { formatSafetensors, parseSafetensors } from '@dm/models';
import { hashed } from '@dm/models/testing';
import { openEagerEngine, type Engine, float32 } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classifierLayout, initializeClassifier } from './classifier-graph.js';
import { openClassifierExtractor, formatClassifier } from './classifier.js';
import { formulaImages } from '../testing/images.js';
import { trainClassifier } from './train-classifier.js';

const classes = ['vertical', 'horizontal', 'diagonal'];

/** Noisy stripes in three directions, 12x12 gray. */
function stripes(name: string, count: number): Dataset {
  const noise = hashed(name, count * 144);
  const labels = Int32Array.from({ length: count }, (_, n) => n % 3);
  const images = Uint8Array.from({ length: count * 144 }, (_, i) => {
    const [n, x, y] = [Math.floor(i / 144), i % 12, Math.floor(i / 12) % 12];
    const along = [x, y, x + y][n % 3]! + Math.floor(n / 3);
    return 128 + 60 * Math.sin(1.7 * along) + 60 * noise[i]!;
  });
  return createMemoryDataset({ name, images, shape: [12, 12, 1], labels, classes });
}

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await openOnnxEngine({ threads: 1 });
  folder = mkdtempSync(join(tmpdir(), 'classifier-'));
});
afterAll(async () => {
  await engine.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('trainClassifier', () => {
  it('learns, is a function of the seed, and writes a file that opens as an extractor', async () => {
    const options = { train: stripes('a', 240), test: stripes('b', 90), engine, epochs: 4, batchSize: 16 };
    const losses: number[] = [];
    const trained = await trainClassifier({ ...options, onProgress: (_done, _of, loss) => void losses.push(loss) });
    expect(trained).toMatchObject({ steps: 60, testImages: 90 });
    expect(losses).toHaveLength(60);
    // Untrained it guesses a third.
    expect(trained.testAccuracy).toBeGreaterThan(0.9);

    const { metadata } = parseSafetensors(trained.file);
    expect(metadata).toMatchObject({
      image_shape: '12x12x1',
      classes: '3',
      class_names: JSON.stringify(classes),
      data: 'a',
      test_accuracy: String(trained.testAccuracy),
      seed: '0',
    });

    const file = join(folder, 'stripes.safetensors');
    writeFileSync(file, trained.file);
    const extractor = await openClassifierExtractor({ engine, weights: file });
    expect(extractor).toMatchObject({ name: 'classifier', dimensions: 128, hasLogits: true, resize: 'none' });
    expect(extractor.weightsSha256).toBe(trained.sha256);
    const { images, labels } = await options.test.read([0, 1, 2, 3, 4]);
    const { features, logits } = await extractor.features({ data: images, shape: [5, 12, 12, 1] });
    expect([features.length, logits!.length]).toEqual([5 * 128, 5 * 3]);
    const guesses = Array.from({ length: 5 }, (_, n) => {
      const row = logits!.subarray(3 * n, 3 * n + 3);
      return row.indexOf(Math.max(...row));
    });
    expect(guesses).toEqual(Array.from(labels!));
    await expect(extractor.features(formulaImages(1, 12))).rejects.toThrowWith({
      code: 'IMAGES_UNSUPPORTED',
      contains: ['12x12x1', '12x12x3'],
    });
    await extractor.dispose();

    const short = { ...options, epochs: 1 };
    const again = [
      await trainClassifier(short),
      await trainClassifier(short),
      await trainClassifier({ ...short, seed: 1 }),
    ];
    expect(again[0]!.file).toEqual(again[1]!.file);
    expect(again[0]!.sha256).not.toBe(again[2]!.sha256);
  });

  it.each([
    ['a loss that is not finite', 'The loss at step', { lr: 1e30, epochs: 40 }],
    [
      'an error of its caller',
      'enough',
      {
        onProgress: () => {
          throw new Error('enough');
        },
      },
    ],
  ])('frees its state and program after %s', async (_, message, options) => {
    const counted = { states: 0, programs: 0 };
    const counting: Engine = {
      ...engine,
      compile(program, about) {
        const compiled = engine.compile(program, about);
        counted.programs++;
        return {
          ...compiled,
          run: compiled.run.bind(compiled),
          async load(arrays) {
            const state = await compiled.load(arrays);
            counted.states++;
            const dispose = state.dispose.bind(state);
            state.dispose = () => {
              counted.states--;
              dispose();
            };
            return state;
          },
          async dispose() {
            counted.programs--;
            await compiled.dispose();
          },
        };
      },
    };
    const train = stripes('a', 12);
    await expect(trainClassifier({ train, test: train, engine: counting, ...options })).rejects.toThrow(message);
    expect(counted).toEqual({ states: 0, programs: 0 });
  });

  it('refuses data that it cannot learn from', async () => {
    const train = stripes('a', 6);
    const plain = createMemoryDataset({ name: 'plain', images: new Uint8Array(36), shape: [6, 6, 1] });
    await expect(trainClassifier({ train: plain, test: train, engine })).rejects.toThrowWith({
      code: 'SET_INVALID',
      contains: ['plain has 0 classes'],
    });
    const other = createMemoryDataset({
      name: 'other',
      images: new Uint8Array(72),
      shape: [6, 6, 1],
      labels: [0, 1],
      classes,
    });
    await expect(trainClassifier({ train, test: other, engine })).rejects.toThrowWith({
      code: 'SETS_MISMATCH',
      contains: ['12,12,1', 'other', '6,6,1'],
    });
    await expect(trainClassifier({ train, test: train, engine, epochs: 0 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['epochs', '>= 1', 'got 0'],
    });
  });
});

describe('classifierExtractor', () => {
  it('computes the same on the eager engine, from a file in PyTorch order', async () => {
    const of = { shape: [9, 7, 3], classes: 4 } as const;
    const file = join(folder, 'random.safetensors');
    const bytes = formatClassifier(of, initializeClassifier(classifierLayout(of), 5));
    writeFileSync(file, bytes);
    expect(parseSafetensors(bytes).tensors['conv1.weight']!.shape).toEqual([32, 3, 3, 3]);
    expect(parseSafetensors(bytes).tensors['hidden.weight']!.shape).toEqual([128, 3 * 2 * 64]);
    const eager = await openEagerEngine('tfjs-cpu');
    const data = Uint8Array.from(hashed('images', 3 * 9 * 7 * 3), (u) => 128 + 127 * u);
    const results = [];
    for (const each of [engine, eager]) {
      const extractor = await openClassifierExtractor({ engine: each, weights: file, batchSize: 2 });
      results.push(await extractor.features({ data, shape: [3, 9, 7, 3] }));
      await extractor.dispose();
    }
    await eager.dispose();
    expect(results[0]!.features).toBeAllClose(results[1]!.features, { rtol: 1e-5, relativeTo: 'norm' });
    expect(results[0]!.logits!).toBeAllClose(results[1]!.logits!, { rtol: 1e-5, relativeTo: 'norm' });
  });

  it('says what is wrong with a file', async () => {
    await expect(openClassifierExtractor({ engine, weights: join(folder, 'none') })).rejects.toThrowWith({
      code: 'WEIGHTS_NOT_FOUND',
      contains: [join(folder, 'none'), 'dm eval train-extractor'],
    });
    const file = join(folder, 'another.safetensors');
    writeFileSync(file, formatSafetensors({ x: float32([1]) }));
    await expect(openClassifierExtractor({ engine, weights: file })).rejects.toThrowWith({
      code: 'WEIGHTS_INVALID',
      contains: [`${file} is not`],
    });
  });
});
