import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openDataset } from './open-dataset.js';

describe('openDataset', () => {
  it.each([
    ['minst', 'DATA_UNKNOWN', ["'minst'", 'Did you mean mnist?', 'mnist, cifar10, emoji, cifar10:<folder>']],
    ['CIFAR-10', 'DATA_UNKNOWN', ['Did you mean cifar10?']],
    ['folders:/x', 'DATA_UNKNOWN', ['Did you mean folder:']],
    ['imagenet64', 'DATA_UNKNOWN', ["'imagenet64'. Known: mnist"]],
    ['', 'DATA_UNKNOWN', ["''"]],
    ['mnist:/somewhere', 'DATA_UNKNOWN', ["'mnist:/somewhere'"]],
    ['idx:', 'DATA_UNKNOWN', ["'idx:'", 'idx:<file of images>']],
    ['folder', 'DATA_UNKNOWN', ["'folder'", 'folder:<folder of images>']],
    ['folder:/x', 'DATA_OPTION', ["'folder:/x'", 'size', '--image-size']],
    ['cifar10:', 'DATA_UNKNOWN', ["'cifar10:'", 'cifar10:<folder>']],
    ['cifar:/x', 'DATA_UNKNOWN', ['Did you mean cifar10:<folder>?']],
    ['x.tar', 'DATA_UNKNOWN', ["'x.tar'"]],
    ['__proto__', 'DATA_UNKNOWN', ['__proto__']],
    ['constructor:/x', 'DATA_UNKNOWN', ['constructor:/x']],
    ['/absent', 'DATA_UNKNOWN', ["'/absent'", 'no such file']],
    ['C:\\absent', 'DATA_UNKNOWN', ['no such file']],
    [tmpdir(), 'DATA_UNKNOWN', [`folder:${tmpdir()}`]],
    ['x.shard', 'DATA_NOT_FOUND', ['x.shard']],
    ['/absent/x.npz', 'DATA_NOT_FOUND', ['/absent/x.npz']],
  ])('refuses %s', async (spec, code, contains) => {
    await expect(openDataset(spec)).rejects.toThrowWith({ code, contains });
  });

  it('finds the labels of an idx file in the same folder', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dm-open-'));
    const images = join(dir, 'my-images-idx3-ubyte');
    await writeFile(images, Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 10, 20]));
    expect((await (await openDataset(`idx:${images}`)).read([1])).labels).toBeUndefined();
    await writeFile(join(dir, 'my-labels-idx1-ubyte'), Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 2, 1, 0]));
    expect([...(await (await openDataset(`idx:${images}`)).read([1, 0])).labels!]).toEqual([0, 1]);
    // Not the compressed copy of the images.
    const plain = join(dir, 'digits.idx');
    await copyFile(images, plain);
    await writeFile(`${plain}.gz`, gzipSync(await readFile(images)));
    for (const path of [plain, `${plain}.gz`]) {
      expect((await (await openDataset(`idx:${path}`)).read([1])).labels).toBeUndefined();
    }
  });
});
