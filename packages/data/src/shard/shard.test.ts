import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Dataset } from '../dataset.js';
import { DataError } from '../errors.js';
import { createMemoryDataset } from '../datasets/memory.js';
import { openDataset } from '../datasets/open-dataset.js';
import { openShard, verifyShard } from './open-shard.js';
import { sha256 } from '../sha256.js';
import { formatHead, PREAMBLE_BYTES } from './format.js';
import { convertToShard, writeShard } from './write-shard.js';

const images = Uint8Array.from({ length: 5 * 12 }, (_, i) => i);
const labels = [0, 1, 1, 0, 1];
const shape = [2, 2, 3] as const;
let root: string;
let path: string;
let source: Dataset;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dm-shard-'));
  path = join(root, 'set.shard');
  source = createMemoryDataset({ name: 'five', images, shape, labels, classes: ['a', 'b'] });
});

describe('a shard', () => {
  it('holds what the data set held', async () => {
    const written: number[] = [];
    const { sha256 } = await convertToShard(source, path, { onProgress: (count) => written.push(count) });
    expect(await readdir(root)).toEqual(['set.shard']);
    for (const spec of [path, `shard:${path}`]) {
      const shard = await openDataset(spec);
      expect(written).toEqual([5]);
      expect([shard.name, shard.length, shard.shape, shard.classes]).toEqual(['five', 5, [2, 2, 3], ['a', 'b']]);
      expect(await shard.read([4, 0, 1, 2, 4])).toEqual(await source.read([4, 0, 1, 2, 4]));
      expect(await shard.hash()).toBe(await source.hash());
      expect(sha256).toBe(await source.hash());
      await expect(shard.read([5])).rejects.toBeInstanceOf(RangeError);
    }
  });

  it('has the layout that its format says', async () => {
    await convertToShard(source, path);
    const bytes = await readFile(path);
    expect(bytes.subarray(0, 8).toString()).toBe('DMSHARD\n');
    expect(bytes.readUInt32LE(8)).toBe(2);
    const [start, length] = [Number(bytes.readBigUInt64LE(16)), Number(bytes.readBigUInt64LE(24))];
    expect([start, start + length]).toEqual([64 + 60 + 20, bytes.length]);
    expect([...bytes.subarray(64, 124)]).toEqual([...images]);
    expect(Array.from({ length: 5 }, (_, i) => bytes.readInt32LE(124 + 4 * i))).toEqual(labels);
    const text = bytes.subarray(start);
    expect(bytes.toString('hex', 32, 64)).toBe(createHash('sha256').update(text).digest('hex'));
    expect(JSON.parse(text.toString())).toEqual({
      name: 'five',
      length: 5,
      shape: [2, 2, 3],
      classes: ['a', 'b'],
      labeled: true,
      sha256: await source.hash(),
    });
  });

  it('replaces an older one, and leaves it when the new one fails', async () => {
    await convertToShard(source, path);
    const failing = writeShard(path, { name: 'odd', shape, classes: [], images: [new Uint8Array(13)] });
    await expect(failing).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['13 bytes', '2x2x3'] });
    const empty = writeShard(path, { name: 'none', shape, classes: [], images: [] });
    await expect(empty).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['none: 0 bytes'] });
    expect((await openShard(path)).name).toBe('five');
    await writeShard(path, { name: 'one', shape, classes: [], images: [new Uint8Array(5), new Uint8Array(7)] });
    const one = await openShard(path);
    expect([one.name, one.length, (await one.read([0])).labels]).toEqual(['one', 1, undefined]);
    expect(await readdir(root)).toEqual(['set.shard']);
  });

  it('notices a flipped byte anywhere and any length that it is cut to', async () => {
    await convertToShard(source, path);
    const bytes = await readFile(path);
    for (let at = 0; at < bytes.length; at += at < PREAMBLE_BYTES ? 1 : 7) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      await writeFile(path, changed);
      await expect(verifyShard(path), `byte ${at}`).rejects.toBeInstanceOf(DataError);
      await writeFile(path, bytes.subarray(0, at));
      await expect(openShard(path), `cut to ${at}`).rejects.toBeInstanceOf(DataError);
    }
    await writeFile(path, bytes);
    expect((await verifyShard(path)).length).toBe(5);
  });

  it('says what is wrong with a file, and what helps', async () => {
    await convertToShard(source, path);
    const bytes = await readFile(path);
    const check = async (
      change: (copy: Buffer) => Buffer | void | Promise<Buffer>,
      code: string,
      ...contains: string[]
    ) => {
      const copy = Buffer.from(bytes);
      await writeFile(path, (await change(copy)) ?? copy);
      await expect(openShard(path).then((shard) => shard.hash())).rejects.toThrowWith({ code, contains });
    };
    await check((copy) => void (copy[PREAMBLE_BYTES + 7]! ^= 4), 'DATA_CORRUPT', 'set.shard: damaged', 'SHA-256');
    await check((copy) => void copy.writeUInt32LE(3, 8), 'DATA_UNSUPPORTED', 'version 3', 'version 2');
    await check((copy) => copy.subarray(0, 100), 'DATA_CORRUPT', '100 of ');
    await check(() => Buffer.from('PK\u0003\u0004'), 'DATA_INVALID', 'not a shard');
    await check(() => Buffer.alloc(0), 'DATA_INVALID', 'not a shard');
    const described = (change: object) => async () => {
      const description = { name: 'x', length: 5, shape, classes: ['a', 'b'], labeled: true, sha256: '', ...change };
      const { preamble, text } = await formatHead(description, 80, sha256);
      return Buffer.concat([preamble, bytes.subarray(PREAMBLE_BYTES, PREAMBLE_BYTES + 80), text]);
    };
    await check(described({ length: 6 }), 'DATA_INVALID', '6 images', '2x2x3 with labels', '96 bytes');
    await check(described({ shape: [2, 2, -3] }), 'DATA_INVALID', '[2, 2, -3]');
    await check(described({ classes: ['a'] }), 'DATA_INVALID', 'label 1 of image 1');
    await check(described({ classes: undefined }), 'DATA_INVALID', 'classes');
    await expect(openShard(join(root, 'absent'))).rejects.toThrowWith({ code: 'DATA_NOT_FOUND', contains: ['absent'] });
  });

  it('fails before writing if the disk has too little free space', async () => {
    const huge: Dataset = { ...source, length: 2 ** 45 };
    const writing = convertToShard(huge, join(root, 'new', 'huge.shard'));
    await expect(writing).rejects.toThrowWith({ code: 'DATA_NOT_WRITTEN', contains: ['huge.shard', ' MB free'] });
    expect(await readdir(root)).toEqual([]);
  });

  it('fails if the target cannot be written', async () => {
    await mkdir(join(root, 'taken'));
    await expect(convertToShard(source, join(root, 'taken'))).rejects.toThrowWith({
      code: 'DATA_NOT_WRITTEN',
      contains: ['taken', 'a folder'],
    });
    await writeFile(join(root, 'file'), '');
    await expect(convertToShard(source, join(root, 'file', 'x.shard'))).rejects.toThrowWith({
      code: 'DATA_NOT_WRITTEN',
      contains: ['file', 'is a file'],
    });
    expect((await readdir(root)).toSorted()).toEqual(['file', 'taken']);
  });

  it('larger than what may be in memory is read through while memory stays flat', async () => {
    // A file with a hole: 256 MB of zeros that take no room on the disk.
    const side = 128;
    const length = 2 ** 28 / side ** 2;
    const { preamble, text } = await formatHead(
      { name: 'hole', length, shape: [side, side, 1], classes: [], labeled: false, sha256: '' },
      2 ** 28,
      sha256,
    );
    const file = await open(path, 'w');
    await file.write(preamble, 0, preamble.length, 0);
    await file.write(text, 0, text.length, PREAMBLE_BYTES + 2 ** 28);
    await file.close();
    const shard = await openShard(path);
    const before = process.memoryUsage().rss;
    let highest = 0;
    let read = 0;
    for (let start = 0; start < length; start += 64) {
      const batch = await shard.read(Array.from({ length: 64 }, (_, i) => (start + i * 7919) % length));
      read += batch.images.length;
      highest = Math.max(highest, process.memoryUsage().rss - before);
    }
    expect(read).toBe(2 ** 28);
    expect(highest).toBeLessThan(2 ** 27);
  });
});

describe('a folder of version 1', () => {
  let dir: string;
  beforeEach(async () => {
    dir = join(root, 'old');
    await mkdir(dir);
    await writeFile(join(dir, 'images.u8'), images);
    const labelBytes = Buffer.from(Int32Array.from(labels).buffer);
    await writeFile(join(dir, 'labels.i32'), labelBytes);
    const record = (bytes: Uint8Array) => ({
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    const files = { 'images.u8': record(images), 'labels.i32': record(labelBytes) };
    const manifest = { format: 'dm-shard', version: 1, name: 'five', length: 5, shape, classes: ['a', 'b'], files };
    await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest));
  });

  it('is still read', async () => {
    const shard = await openDataset(`shard:${dir}`);
    expect([shard.name, shard.length, shard.shape, shard.classes]).toEqual(['five', 5, [2, 2, 3], ['a', 'b']]);
    expect(await shard.read([4, 0, 4])).toEqual(await source.read([4, 0, 4]));
    expect(await shard.hash()).toBe(await source.hash());
  });

  it('notices a flipped byte, a cut file and a foreign manifest', async () => {
    const file = join(dir, 'images.u8');
    const bytes = await readFile(file);
    bytes[7]! ^= 4;
    await writeFile(file, bytes);
    await expect(verifyShard(dir)).rejects.toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['images.u8: damaged', 'SHA-256'],
    });
    await writeFile(file, bytes.subarray(0, 59));
    await expect(openShard(dir)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['images.u8: 59 bytes', '60'] });

    await writeFile(file, bytes);
    const manifest = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as Record<string, unknown>;
    const rewrite = (change: object) =>
      writeFile(join(dir, 'manifest.json'), JSON.stringify({ ...manifest, ...change }));
    await rewrite({ version: 2 });
    await expect(openShard(dir)).rejects.toThrowWith({ code: 'DATA_UNSUPPORTED', contains: ['version 2'] });
    await rewrite({ format: 'zip' });
    await expect(openShard(dir)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['manifest.json: not'] });
    await rewrite({ length: 6 });
    await expect(openShard(dir)).rejects.toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['6 images', '2x2x3', 'images.u8'],
    });
    await rewrite({ files: { ...(manifest['files'] as object), '../../x': { bytes: 1, sha256: '' } } });
    await expect(openShard(dir)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['../../x'] });
    await writeFile(join(dir, 'manifest.json'), '{');
    await expect(openShard(dir)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['manifest.json', 'JSON'] });
    await expect(openShard(root)).rejects.toThrowWith({ code: 'DATA_NOT_FOUND', contains: ['not a shard'] });
  });
});
