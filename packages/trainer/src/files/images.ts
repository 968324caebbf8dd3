/** Images to files. */
import { extname } from 'node:path';
import { formatNpy, imageGrid } from '@dm/data';
import { UserError } from '../errors.js';
import { atomicWriteFile } from './atomic-write.js';

export interface Images {
  /** float32 [N, H, W, C], in [-1, 1] up to what the model overshoots. */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number, number];
}

/** What `writeImages` can write. */
const imageFormats = ['.png', '.npy'] as const;

/**
 * @throws {UserError} on a file name of a kind that `writeImages` does not write: before the work, not after
 */
export function checkImageFormat(path: string): void {
  if (!(imageFormats as readonly string[]).includes(extname(path))) {
    throw new UserError(`${path}: images are written to a .png (a grid) or a .npy (the numbers).`);
  }
}

/** Small images are enlarged to about this many pixels, so that a person can see them. */
const cellPixels = 56;

/** A grid of images as the bytes of a PNG. */
export async function gridPng({ images, shape }: Images): Promise<Uint8Array> {
  const [, h, w, c] = shape;
  const scale = Math.max(1, Math.floor(cellPixels / Math.max(h, w)));
  return imageGrid(images, { shape: [h, w, c], scale });
}

/**
 * Writes a grid (.png) or the numbers (.npy), whole or not at all.
 *
 * @throws {UserError} on a file name of another kind, or if the disk refuses
 */
export async function writeImages(path: string, result: Images): Promise<void> {
  checkImageFormat(path);
  const bytes =
    extname(path) === '.png' ? await gridPng(result) : formatNpy({ shape: [...result.shape], data: result.images });
  atomicWriteFile(path, bytes);
}
