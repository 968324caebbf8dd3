import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openCifar100 } from './cifar-binary.js';
import { parseCifar } from '../formats/cifar-binary.js';
import { openDataset } from './open-dataset.js';

/** A record: labels, then planes where the pixel (y, x) of channel c is 100 c + y + x. */
const record = (...labels: number[]): number[] => [
  ...labels,
  ...Array.from({ length: 3072 }, (_, i) => 100 * Math.floor(i / 1024) + Math.floor((i % 1024) / 32) + (i % 32)),
];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dm-cifar-binary-'));
});

describe("CIFAR's binary version", () => {
  it('CIFAR-10: five files and a test file, planes to pixels', async () => {
    const folder = join(dir, 'cifar-10-batches-bin');
    await mkdir(folder);
    for (let i = 1; i <= 5; i++) {
      await writeFile(join(folder, `data_batch_${i}.bin`), Uint8Array.from([...record(i), ...record(0)]));
    }
    await writeFile(join(folder, 'test_batch.bin'), Uint8Array.from(record(9)));
    const train = await openDataset(`cifar10:${dir}`);
    expect([train.length, train.shape, train.classes.length]).toEqual([10, [32, 32, 3], 10]);
    const { images, labels } = await train.read([4]);
    expect(train.classes[labels![0]!]).toBe('cat');
    const at = (y: number, x: number) => [...images.subarray((y * 32 + x) * 3, (y * 32 + x) * 3 + 3)];
    expect([at(0, 0), at(3, 20), at(31, 0)]).toEqual([
      [0, 100, 200],
      [23, 123, 223],
      [31, 131, 231],
    ]);
    const test = await openDataset(`cifar10:${folder}`, { split: 'test' });
    expect(test.classes[(await test.read([0])).labels![0]!]).toBe('truck');
  });

  it('an unknown split or kind of classes is refused', async () => {
    const split = 'Train' as 'train';
    const expected = { type: RangeError, contains: ['split', 'train, test', '"Train"'] };
    for (const name of ['cifar10', 'cifar100', 'fashion-mnist']) {
      await expect(openDataset(`${name}:${dir}`, { split })).rejects.toThrowWith(expected);
    }
    await expect(openDataset('mnist', { split })).rejects.toThrowWith(expected);
    await expect(openCifar100({ dir, classes: 'all' as 'fine' })).rejects.toThrowWith({
      type: RangeError,
      contains: ['classes', 'fine, coarse', '"all"'],
    });
  });

  it('CIFAR-100: fine labels with the names from the file in the same folder', async () => {
    await writeFile(join(dir, 'train.bin'), Uint8Array.from([...record(1, 2), ...record(0, 0)]));
    await expect(openDataset(`cifar100:${dir}`)).rejects.toThrowWith({
      code: 'DATA_NOT_FOUND',
      contains: ['fine_label_names.txt'],
    });
    await writeFile(join(dir, 'fine_label_names.txt'), 'apple\naquarium_fish\nbaby\n');
    const set = await openDataset(`cifar100:${dir}`);
    expect([set.length, set.classes, [...(await set.read([0, 1])).labels!]]).toEqual([
      2,
      ['apple', 'aquarium_fish', 'baby'],
      [2, 0],
    ]);
  });

  it('refuses what is damaged, and says why', () => {
    const layout = { labelBytes: 1, classes: 10 } as const;
    const good = Uint8Array.from(record(9));
    expect(() => parseCifar(good.subarray(1), 'x', layout)).toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['x: 3072 bytes', '3073', 'CIFAR-10'],
    });
    expect(() => parseCifar(new Uint8Array(), 'x', layout)).toThrowWith({ code: 'DATA_EMPTY', contains: ['x: empty'] });
    expect(() => parseCifar(Uint8Array.from(record(10)), 'x', layout)).toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['label 10', 'image 0', '[0, 10)'],
    });
    expect(() => parseCifar(good, 'x', { labelBytes: 2, classes: 100 })).toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['CIFAR-100'],
    });
  });
});
