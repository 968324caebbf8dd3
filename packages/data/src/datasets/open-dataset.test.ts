import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from './open-dataset.js';

describe('openDataset', () => {
  it.each([
    [
      'minst',
      /Unknown data set 'minst'\. Did you mean mnist\? Known: mnist, cifar10, emoji, cifar10:<folder>, cifar100:/,
    ],
    ['CIFAR-10', /Did you mean cifar10\?/],
    ['folders:/x', /Did you mean folder:<folder of images>\?/],
    ['imagenet64', /^Unknown data set 'imagenet64'\. Known: mnist/],
    ['', /Unknown data set ''/],
    ['mnist:/somewhere', /Unknown data set 'mnist:\/somewhere'/],
    ['idx:', /Data set 'idx:': a path must follow, as in idx:<file of images>/],
    ['folder', /a path must follow, as in folder:<folder of images>/],
    ['folder:/x', /images of files need a size, such as 32/],
    ['cifar10:', /a path must follow, as in cifar10:<folder>/],
    ['cifar:/x', /Did you mean cifar10:<folder>\?/],
    ['x.tar', /^Unknown data set 'x\.tar'/],
    ['__proto__', /Unknown data set/],
    ['constructor:/x', /Unknown data set/],
    ['x.shard', /x\.shard: no such file/],
    ['/absent/x.npz', /\/absent\/x\.npz: no such file/],
  ])('refuses %s', async (spec, message) => {
    await expect(openDataset(spec)).rejects.toThrow(message);
  });

  it('finds the labels that lie beside an idx file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dm-open-'));
    const images = join(dir, 'my-images-idx3-ubyte');
    await writeFile(images, Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 10, 20]));
    expect((await (await openDataset(`idx:${images}`)).read([1])).labels).toBeUndefined();
    await writeFile(join(dir, 'my-labels-idx1-ubyte'), Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 2, 1, 0]));
    expect([...(await (await openDataset(`idx:${images}`)).read([1, 0])).labels!]).toEqual([0, 1]);
  });
});
