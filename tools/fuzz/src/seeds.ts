/** Small valid files of every format. */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { convertToShard, formatNpy, createMemoryDataset } from '@dm/data';
import { formatSafetensors } from '@dm/models';
import { zipSync } from 'fflate';
import sharp from 'sharp';

const floats = Float32Array.of(0, -1.5, 2, 3, NaN, 5);

export const safetensorsFiles: readonly Uint8Array[] = [
  formatSafetensors({ 'conv.weight': { dtype: 'float32', shape: [2, 3], data: floats } }, { format: 'pt' }),
  formatSafetensors({
    a: { dtype: 'int32', shape: [2], data: Int32Array.of(-1, 7) },
    b: { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) },
    c: { dtype: 'float32', shape: [], data: Float32Array.of(1) },
    d: { dtype: 'float32', shape: [0, 4], data: new Float32Array() },
  }),
  formatSafetensors({}),
];

export const npyFiles: readonly Uint8Array[] = [
  formatNpy({ shape: [2, 3], data: floats }),
  formatNpy({ shape: [], data: BigInt64Array.of(-3n) }),
  formatNpy({ shape: [2, 2, 2, 3], data: Uint8Array.from({ length: 24 }, (_, i) => i) }),
];

export const npzFiles: readonly Uint8Array[] = [
  zipSync({ 'x.npy': npyFiles[2]!, 'y.npy': formatNpy({ shape: [2], data: Int32Array.of(0, 1) }) }, { level: 0 }),
  zipSync({ 'arr_0.npy': npyFiles[0]! }, { level: 9 }),
];

export const idxFiles: readonly Uint8Array[] = [
  Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8),
  Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2),
];

export const gzippedIdxFiles: readonly Uint8Array[] = idxFiles.map((file) => gzipSync(file));

/** Two records of CIFAR-10 and one of CIFAR-100. */
export const cifarFiles: readonly Uint8Array[] = [
  Uint8Array.from({ length: 2 * 3073 }, (_, i) => (i % 3073 === 0 ? 7 : i % 256)),
  Uint8Array.from({ length: 3074 }, (_, i) => i % 20),
];

/** Archives of images of 2x2 pixels: in class folders, and with a dataset.json. */
export async function zipFiles(): Promise<Uint8Array[]> {
  const image = (format: 'png' | 'jpeg') =>
    sharp(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), { raw: { width: 2, height: 2, channels: 3 } })
      .toFormat(format)
      .toBuffer();
  const [png, jpeg] = [await image('png'), await image('jpeg')];
  const labels = new TextEncoder().encode('{"labels": [["00000/1.png", 1], ["00000/2.png", 0]]}');
  return [
    zipSync({ 'a/1.png': png, 'b/2.png': png }, { level: 0 }),
    zipSync({ 'a/1.png': png, 'a/2.jpg': jpeg, 'a/readme.txt': Uint8Array.of(1) }, { level: 9 }),
    zipSync({ '00000/1.png': png, '00000/2.png': png, 'dataset.json': labels }, { level: 6 }),
  ];
}

/** Shards with labels and without. */
export async function shardFiles(): Promise<Uint8Array[]> {
  const dir = await mkdtemp(join(tmpdir(), 'dm-fuzz-seeds-'));
  const images = Uint8Array.from({ length: 24 }, (_, i) => i);
  const sets = [
    createMemoryDataset({ name: 'labeled', images, shape: [2, 2, 3], labels: [0, 1], classes: ['a', 'b'] }),
    createMemoryDataset({ name: 'bare', images, shape: [2, 2, 1] }),
  ];
  return Promise.all(
    sets.map(async (set) => {
      const path = join(dir, `${set.name}.shard`);
      await convertToShard(set, path);
      return new Uint8Array(await readFile(path));
    }),
  );
}
