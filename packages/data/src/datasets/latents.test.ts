import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadBatch } from '../batch/load-batch.js';
import { readValues } from '../batch/read-values.js';
import { DataError } from '../errors.js';
import { formatNpy } from '../formats/npy.js';
import { readNpz, writeNpy, writeNpz } from '../formats/npy-files.js';
import { parseShard } from '../shard/memory.js';
import { convertToShard } from '../shard/write-shard.js';
import { openShard, verifyShard } from '../shard/open-shard.js';
import { cropDataset } from './crop.js';
import { describeDataset } from './describe.js';
import { channelsFirst } from './float-dataset.js';
import { denormalizeFloats, normalizeDataset } from './normalize.js';
import { openDataset } from './open-dataset.js';

// Written by NumPy 2: x = np.arange(20, dtype=np.float16).reshape(2, 5, 1, 2) / 8 - 1;
// np.savez_compressed(b, latents=x, labels=np.array([1, 0])). Hash, mean and std of x.astype(np.float32).transpose(0, 2, 3, 1).
const NPZ =
  'UEsDBC0AAAAIAAAAIQAY10nw//////////8LABQAbGF0ZW50cy5ucHkBABAAqAAAAAAAAAB1AAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG' +
  '6TZqSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CqY6CoY6CkaaOgq1CmQALoY9DLsZdjHsZNjBsI1hC8MGBgYGAwYTBjMGCwZL' +
  'BisGawabBhsG2wZbAFBLAwQtAAAACAAAACEAcfs5q///////////CgAUAGxhYmVscy5ucHkBABAAkAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUM' +
  'ZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC5GBlQAAFBLAQItAy0AAAAIAAAAIQAY10nw' +
  'dQAAAKgAAAALAAAAAAAAAAAAAACAAQAAAABsYXRlbnRzLm5weVBLAQItAy0AAAAIAAAAIQBx+zmrSAAAAJAAAAAKAAAAAAAAAAAAAACAAbIAAA' +
  'BsYWJlbHMubnB5UEsFBgAAAAACAAIAcQAAADYBAAAAAA==';
const SHA256 = 'd7fa6d16e77c1b99c60bd3e05cf266fd4e80c7061008c3c65dda81c3fde21c34';

let folder: string;
const at = (name: string) => join(folder, name);
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dm-latents-'));
  await writeFile(at('numpy.npz'), Buffer.from(NPZ, 'base64'));
  const { latents } = await readNpz(at('numpy.npz'));
  await writeNpy(at('float32.npy'), latents!);
  // The header of float16, and the same numbers: exact multiples of 1/8.
  const half = Buffer.from(
    formatNpy({ shape: latents!.shape, data: Uint16Array.from(latents!.data as Float32Array, halfBits) }),
  );
  half.write('<f2', half.indexOf('<u2'), 'latin1');
  await writeFile(at('float16.npy'), half);
  await writeNpz(at('images.npz'), { images: { shape: [1, 2, 2], data: new Uint8Array(4) } });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The bits of an exact multiple of 1/8 below 4 in float16. */
function halfBits(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | ((Math.abs(value) / 2 ** exponent - 1) * 1024);
}

describe('latents', () => {
  it('are read from float16 [N, C, H, W] as float32 [N, H, W, C] of any number of channels', async () => {
    const dataset = await openDataset(at('numpy.npz'));
    expect(dataset).toMatchObject({ length: 2, shape: [1, 2, 5], classes: ['0', '1'], floats: { dtype: 'float16' } });
    const { images, labels } = await readValues(dataset, [0]);
    expect(Array.from(images)).toEqual([-1, -0.75, -0.5, -0.25, 0, -0.875, -0.625, -0.375, -0.125, 0.125]);
    expect(labels).toEqual(Int32Array.of(1));
    expect(await dataset.hash()).toBe(SHA256);
    expect(channelsFirst(images, [1, 2, 5])).toEqual(Float32Array.from(range(10), (i) => i / 8 - 1));
  });

  it.each(['float32.npy', 'float16.npy'])('are read on demand from %s', async (name) => {
    const [whole, file] = [await openDataset(at('numpy.npz')), await openDataset(at(name))];
    expect(file.floats!.dtype).toBe(name.slice(0, 7));
    expect((await readValues(file, [1, 0])).images).toEqual((await readValues(whole, [1, 0])).images);
  });

  it('have their channels last in the layout NHWC', async () => {
    const dataset = await openDataset(at('float32.npy'), { floatLayout: 'NHWC' });
    expect(dataset.shape).toEqual([5, 1, 2]);
    expect(Array.from((await readValues(dataset, [0])).images)).toEqual(range(10).map((i) => i / 8 - 1));
  });

  it.each(['numpy.npz', 'float32.npy'])('need a known layout: %s', async (name) => {
    await expect(openDataset(at(name), { floatLayout: 'nchw' as 'NCHW' })).rejects.toThrowWith({
      type: RangeError,
      contains: ['layout', 'NCHW, NHWC', '"nchw"'],
    });
  });

  it('are a shard in the type of the source, with the same hash', async () => {
    const dataset = await openDataset(at('numpy.npz'));
    await convertToShard(dataset, at('half.shard'));
    const shard = await verifyShard(at('half.shard'));
    expect(shard).toMatchObject({ length: 2, shape: [1, 2, 5], classes: ['0', '1'], floats: { dtype: 'float16' } });
    expect(await shard.hash()).toBe(SHA256);
    expect(await readValues(shard, [1])).toEqual(await readValues(dataset, [1]));

    await convertToShard(await openDataset(at('float32.npy')), at('full.shard'));
    expect((await readValues(await openShard(at('full.shard')), [1])).images).toEqual(
      (await readValues(dataset, [1])).images,
    );
    const { readFile } = await import('node:fs/promises');
    const damaged = await readFile(at('full.shard'));
    damaged[70]! ^= 1;
    await writeFile(at('damaged.shard'), damaged);
    await expect(verifyShard(at('damaged.shard'))).rejects.toThrowWith({ type: DataError, code: 'DATA_CORRUPT' });
    await expect(parseShard(await readFile(at('half.shard')), 'half.shard')).rejects.toThrowWith({
      type: DataError,
      code: 'DATA_UNSUPPORTED',
      contains: ['float16'],
    });
  });

  it('have statistics of each channel, and are scaled by them and back', async () => {
    const dataset = await openDataset(at('numpy.npz'));
    const { channels, dtype } = await describeDataset(dataset);
    expect(dtype).toBe('float16');
    // NumPy's mean and std over axes (0, 1, 2).
    expect(channels.map(({ mean }) => mean)).toEqual([-0.3125, -0.0625, 0.1875, 0.4375, 0.6875]);
    for (const { std } of channels) expect(std).toBeCloseTo(0.6281172, 6);
    expect(channels[0]).toMatchObject({ min: -1, max: 0.375 });

    const scaling = { mean: channels.map(({ mean }) => mean), scale: channels.map(({ std }) => 1 / std) };
    const scaled = normalizeDataset(dataset, scaling);
    for (const { mean, std } of (await describeDataset(scaled)).channels) {
      expect(mean).toBeCloseTo(0, 6);
      expect(std).toBeCloseTo(1, 6);
    }
    const values = (await readValues(scaled, [0, 1])).images;
    const restored = denormalizeFloats(values, scaling);
    (await readValues(dataset, [0, 1])).images.forEach((value, i) => expect(restored[i]).toBeCloseTo(value, 6));
    expect(await scaled.hash()).toBe(SHA256);
    expect(() => normalizeDataset(dataset, { mean: [0], scale: [1] })).toThrowWith({
      type: DataError,
      contains: ['mean', '5 channels'],
    });
  });

  it('are held out by their content', async () => {
    const data = Float32Array.from(range(400), (i) => Math.sin(i));
    await writeNpz(at('many.npz'), { arr_0: { shape: [100, 2, 1, 2], data } });
    const parts = await Promise.all(
      (['rest', 'heldOut'] as const).map((part) => openDataset(at('many.npz'), { holdOut: { share: 0.3, part } })),
    );
    const found = await Promise.all(parts.map((part) => readValues(part, range(part.length))));
    expect(parts[1]!.length).toBeGreaterThan(15);
    const all = [...found[0]!.images, ...found[1]!.images];
    expect(all.toSorted((a, b) => a - b)).toEqual([...data].toSorted((a, b) => a - b));
    expect(await parts[0]!.hash()).not.toBe(await parts[1]!.hash());
  });

  it('make batches of the same order as images, mirrored only on request', async () => {
    const dataset = await openDataset(at('float32.npy'));
    const options = { seed: 3, step: 0, batchSize: 8 };
    const plain = await loadBatch(dataset, options);
    expect(plain.images).toEqual((await readValues(dataset, plain.indices)).images);
    const flipped = await loadBatch(dataset, { ...options, flip: true });
    const mirrored = range(8).filter((n) => flipped.images[n * 10] !== plain.images[n * 10]);
    expect(mirrored.length).toBeGreaterThan(0);
    for (const n of mirrored) {
      const own = plain.images.subarray(n * 10, n * 10 + 10);
      expect(flipped.images.subarray(n * 10, n * 10 + 10)).toEqual(
        Float32Array.of(...own.slice(5), ...own.slice(0, 5)),
      );
    }
  });

  it('are refused by name if images are needed, and the reverse', async () => {
    const dataset = await openDataset(at('numpy.npz'));
    await expect(dataset.read([0])).rejects.toThrowWith({ type: DataError, contains: ['latents', 'Decode'] });
    expect(() => cropDataset(dataset, { size: 1, at: 'center' })).toThrowWith({
      code: 'DATA_OPTION',
      contains: ['crop'],
    });
    const images = await openDataset(at('images.npz'));
    expect(() => normalizeDataset(images, { mean: [0], scale: [1] })).toThrowWith({ code: 'DATA_OPTION' });
    await writeNpy(at('flat.npy'), { shape: [2, 4], data: new Float32Array(8) });
    await expect(openDataset(at('flat.npy'))).rejects.toThrowWith({ type: DataError, contains: ['[N, C, H, W]'] });
  });
});
