import { mkdir, rm, writeFile } from 'node:fs/promises';
import { imageGrid, openMnist } from '@dm/data';

/** Numbers in [-1, 1), evenly spread over i, and the same in every run. */
const spread = (i: number): number => 2 * ((i * ((i * Math.SQRT2) % 1)) % 1) - 1;

/** Writes digits of MNIST as PNG files, with uniform noise of this amplitude, and returns the folder. */
export async function writeDigits(
  folder: string,
  { first, count, noise }: { readonly first: number; readonly count: number; readonly noise: number },
): Promise<string> {
  const digits = await openMnist({ from: import.meta.url });
  await rm(folder, { recursive: true, force: true }); // an earlier run may have written more
  await mkdir(folder, { recursive: true });
  const { images } = await digits.read(Array.from({ length: count }, (_, i) => first + i));
  const pixels = Uint8ClampedArray.from(images, (gray, i) => gray + noise * spread(i));
  const size = pixels.length / count;
  for (let n = 0; n < count; n++) {
    const image = Uint8Array.from(pixels.subarray(n * size, (n + 1) * size));
    await writeFile(`${folder}/${n}.png`, await imageGrid(image, { shape: digits.shape, columns: 1, gap: 0 }));
  }
  return folder;
}
