/** CIFAR-10, averaged 2x2 to 16x16 for the laptop, as two shards in a cache folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { halveImages, openDataset, writeShard, type Dataset, type Split } from '@dm/data';
import { makeFolder } from '@dm/files';
import type { Size } from './sizes.js';

/** Channels of the images. */
export const CHANNELS = 3;
const CHUNK = 1000;

/** Fraction of the 50,000 training images that tuning is validated on, chosen by their content. */
export const holdOut = 0.1;

/** Opens the images that are trained on, those held out for tuning, or the test images, of the paths in `data`. */
export function openImages(
  data: Readonly<Record<Split, string>>,
  part: 'training' | 'validation' | 'test',
): Promise<Dataset> {
  if (part === 'test') return openDataset(`shard:${data.test}`, {});
  return openDataset(`shard:${data.train}`, {
    holdOut: { share: holdOut, part: part === 'training' ? 'rest' : 'heldOut' },
  });
}

/** Paths of the training and the test images; they are created if they are missing. */
export async function prepareData(cache: string, size: Size): Promise<Readonly<Record<Split, string>>> {
  const folder = join(cache, size.name);
  makeFolder(folder);
  const of = async (split: Split) => {
    const path = join(folder, `${split}.shard`);
    if (!existsSync(path))
      await (size.name === 'smoke' ? writeStripes(path, size, split) : writeCifar(path, size, split));
    return path;
  };
  return { train: await of('train'), test: await of('test') };
}

async function writeCifar(path: string, { side }: Size, split: Split): Promise<void> {
  const full = await openDataset('cifar10', { split });
  async function* images() {
    for (let start = 0; start < full.length; start += CHUNK) {
      const count = Math.min(CHUNK, full.length - start);
      const batch = await full.read(Array.from({ length: count }, (_, i) => start + i));
      yield side === full.shape[0] ? batch.images : halveImages(batch.images, full.shape);
    }
  }
  await writeShard(path, {
    name: `${full.name} at ${side}x${side}`,
    shape: [side, side, CHANNELS],
    classes: [],
    images: images(),
  });
}

/** Images of stripes, all different: for the smoke run, which must not download anything. */
async function writeStripes(path: string, { side }: Size, split: Split): Promise<void> {
  const count = split === 'train' ? 240 : 60;
  const images = Uint8Array.from({ length: count * side * side * CHANNELS }, (_, i) => {
    const image = Math.floor(i / (side * side * CHANNELS)) + (split === 'train' ? 0 : 240);
    return (i * (1 + (image % 7)) + image * 53) % 256;
  });
  await writeShard(path, { name: `stripes, ${split}`, shape: [side, side, CHANNELS], classes: [], images: [images] });
}
