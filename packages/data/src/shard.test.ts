import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Dataset } from './dataset.js';
import { memoryDataset } from './memory.js';
import { openDataset } from './open.js';
import { copyToShard, openShard, verifyShard, writeShard } from './shard.js';

let root: string;
let dir: string;
let source: Dataset;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dm-shard-'));
  dir = join(root, 'set');
  const images = Uint8Array.from({ length: 5 * 12 }, (_, i) => i);
  source = memoryDataset({ name: 'five', images, shape: [2, 2, 3], labels: [0, 1, 1, 0, 1], classes: ['a', 'b'] });
});

describe('a shard', () => {
  it('holds what the data set held', async () => {
    const written: number[] = [];
    await copyToShard(source, dir, { onProgress: (count) => written.push(count) });
    const shard = await openDataset(`shard:${dir}`);
    expect(written).toEqual([5]);
    expect([shard.name, shard.length, shard.shape, shard.classes]).toEqual(['five', 5, [2, 2, 3], ['a', 'b']]);
    expect(await shard.read([4, 0, 4])).toEqual(await source.read([4, 0, 4]));
    expect(await shard.hash()).toBe(await source.hash());
    await expect(shard.read([5])).rejects.toBeInstanceOf(RangeError);
  });

  it('replaces an older one, and leaves it when the new one fails', async () => {
    await copyToShard(source, dir);
    const shape = [2, 2, 3] as const;
    const failing = writeShard(dir, { name: 'odd', shape, classes: [], images: [new Uint8Array(13)] });
    await expect(failing).rejects.toThrow('13 bytes are no whole number of 2x2x3 images');
    expect((await openShard(dir)).name).toBe('five');
    await writeShard(dir, { name: 'one', shape, classes: [], images: [new Uint8Array(5), new Uint8Array(7)] });
    const one = await openShard(dir);
    expect([one.name, one.length, (await one.read([0])).labels]).toEqual(['one', 1, undefined]);
    expect(await readdir(root)).toEqual(['set']);
  });

  it('notices a flipped byte, a cut file and a foreign manifest', async () => {
    await copyToShard(source, dir);
    await verifyShard(dir);
    const path = join(dir, 'images.u8');
    const bytes = await readFile(path);
    bytes[7]! ^= 4;
    await writeFile(path, bytes);
    await expect(verifyShard(dir)).rejects.toThrow(/images\.u8: SHA-256 is .*, the manifest says/);
    await writeFile(path, bytes.subarray(0, 59));
    await expect(openShard(dir)).rejects.toThrow(/images\.u8: 59 bytes, the manifest says 60/);

    await writeFile(path, bytes);
    const manifest = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as Record<string, unknown>;
    const rewrite = (change: object) =>
      writeFile(join(dir, 'manifest.json'), JSON.stringify({ ...manifest, ...change }));
    await rewrite({ version: 2 });
    await expect(openShard(dir)).rejects.toThrow(/version 2; this reads version 1/);
    await rewrite({ format: 'zip' });
    await expect(openShard(dir)).rejects.toThrow(/not the manifest of a shard/);
    await rewrite({ length: 6 });
    await expect(openShard(dir)).rejects.toThrow(/contradict each other/);
    await rewrite({ files: { ...(manifest['files'] as object), '../../x': { bytes: 1, sha256: '' } } });
    await expect(openShard(dir)).rejects.toThrow(/unknown file \.\.\/\.\.\/x/);
    await writeFile(join(dir, 'manifest.json'), '{');
    await expect(openShard(dir)).rejects.toThrow(/manifest\.json: no JSON/);
    await expect(openShard(root)).rejects.toThrow(/no shard there/);
  });
});
