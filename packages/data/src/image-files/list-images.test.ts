import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pngOf } from '../testing/bombs.js';
import { openImageFolder } from './image-folder.js';
import { listImages } from './list-images.js';

let root: string;
let png: Uint8Array;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'dm-list-'));
  png = await pngOf(2, 2);
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), png);
}

const open = (path = root) => openImageFolder({ path, size: 2 });

describe('listImages', () => {
  it('130,000 images in one class, and 70,000 in another', async () => {
    const counts = { a: 130_000, b: 70_000 };
    for (const [name, count] of Object.entries(counts)) {
      for (let i = 0; i < count; i++) {
        // File systems allow a file some ten thousand names.
        const first = `${name}/${i - (i % 30_000)}.png`;
        if (i % 30_000 === 0) put(first);
        else linkSync(join(root, first), join(root, name, `${i}.png`));
      }
    }
    const set = await open();
    expect([set.length, set.classes]).toEqual([200_000, ['a', 'b']]);
    expect([...(await set.read([0, 129_999, 130_000, 199_999])).labels!]).toEqual([0, 0, 1, 1]);
  });

  it('the order is that of the names, folder by folder', async () => {
    for (const path of ['z.png', 'a.png', 'a/2.png', 'a/1.png', 'a-b/1.png', 'A/1.png', 'a/é/1.png']) put(`x/${path}`);
    expect((await listImages(root)).paths).toEqual(
      ['A/1.png', 'a/1.png', 'a/2.png', 'a/é/1.png', 'a-b/1.png', 'a.png', 'z.png'].map((path) => `x/${path}`),
    );
  });

  it('a link that leads back to a folder around it is refused', async () => {
    put('a/1.png');
    symlinkSync(root, join(root, 'a', 'loop'));
    await expect(open()).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: `${join(root, 'a', 'loop')} leads back to ${root}.`,
    });
    rmSync(join(root, 'a', 'loop'));
    // A link to a parent of the dataset: the message names the link, not the folder in which the cycle was found.
    put('set/b/1.png');
    symlinkSync(root, join(root, 'set', 'b', 'up'));
    await expect(open(join(root, 'set'))).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: `${join(root, 'set', 'b', 'up')} leads back to ${join(root, 'set')}.`,
    });
    rmSync(join(root, 'set'), { recursive: true });
    symlinkSync('self', join(root, 'a', 'self'));
    await expect(open()).rejects.toMatchObject({ code: 'DATA_NOT_FOUND' });
  });

  it('links that cannot be followed are errors that name skipBad, which skips and lists them', async () => {
    put('a/1.png');
    put('b/2.png');
    symlinkSync('gone.png', join(root, 'a', 'broken.png'));
    symlinkSync('self', join(root, 'b', 'self'));
    symlinkSync('nowhere', join(root, 'folder'));
    symlinkSync(root, join(root, 'b', 'loop'));
    const links = ['a/broken.png', 'b/loop', 'b/self', 'folder'].map((path) => join(root, path));
    await expect(open()).rejects.toThrowWith({ code: 'DATA_NOT_FOUND', contains: [links[3]!, '--skip-bad'] });

    const set = await openImageFolder({ path: root, size: 2, skipBad: true });
    expect([set.length, set.classes]).toEqual([2, ['a', 'b']]);
    for (const link of links) expect(set.notes!.filter((note) => note.startsWith(link))).toHaveLength(1);

    rmSync(join(root, 'a', '1.png'));
    rmSync(join(root, 'b', '2.png'));
    await expect(openImageFolder({ path: root, size: 2, skipBad: true })).rejects.toThrowWith({
      code: 'DATA_EMPTY',
      contains: ['skipped: 4', root],
    });
  });

  it('a folder counts once, whatever links lead to it', async () => {
    put('set/b/1.png');
    put('elsewhere/2.png');
    symlinkSync(join(root, 'set', 'b'), join(root, 'set', 'a'));
    symlinkSync(join(root, 'elsewhere'), join(root, 'set', 'c'));
    symlinkSync(join(root, 'elsewhere'), join(root, 'set', 'd'));
    const set = await open(join(root, 'set'));
    expect([set.length, set.classes]).toEqual([2, ['b', 'c']]);
    expect(set.notes).toEqual([expect.stringMatching(/^2 links .*\/set\/a\.$/)]);
  });

  it('the set itself may be a link, and images may be', async () => {
    put('real/a/1.png');
    symlinkSync(join(root, 'real'), join(root, 'set'));
    symlinkSync('1.png', join(root, 'real', 'a', '2.png'));
    expect((await open(join(root, 'set'))).length).toBe(2);
  });

  it('folders within folders up to the limit, and images too', async () => {
    put(`${'d/'.repeat(64)}1.png`);
    expect((await open()).length).toBe(1);
    await expect(openImageFolder({ path: root, size: 2, limits: { maxDepth: 63 } })).rejects.toMatchObject({
      code: 'DATA_LIMIT',
    });
    put('1.png');
    await expect(openImageFolder({ path: root, size: 2, limits: { maxImages: 1 } })).rejects.toMatchObject({
      code: 'DATA_LIMIT',
    });
    put(`${'d/'.repeat(65)}1.png`);
    await expect(open()).rejects.toMatchObject({ code: 'DATA_LIMIT' });
  });
});
