import type { PlaygroundConfig } from '../config.js';
import { shiftedImages } from '../data/augment.js';
import { parseImages } from '../data/format.js';
import type { TrainingImages } from '../worker/messages.js';

/** Side of drawings and of the user's images. */
export const ownSide = 16;

/**
 * Loads one of the data sets of the page; undefined if this build does not have it.
 * @throws {TypeError} without a network, if the browser has not stored the file
 */
export async function fetchImages(name: PlaygroundConfig['data']): Promise<TrainingImages | undefined> {
  const response = await fetch(`./data/${name}.images`);
  // Servers may answer with the page itself for a missing file.
  if (!response.ok || response.headers.get('content-type')?.startsWith('text/html')) return undefined;
  const unpacked = response.body!.pipeThrough(new DecompressionStream('gzip'));
  return parseImages(new Uint8Array(await new Response(unpacked).arrayBuffer()));
}

/** A data set of drawings, each uint8 [16, 16], and of their shifts by up to two pixels. */
export function drawnImages(drawings: readonly Uint8Array[]): TrainingImages {
  const all = new Uint8Array(drawings.length * ownSide ** 2);
  drawings.forEach((drawing, n) => all.set(drawing, n * ownSide ** 2));
  const images = shiftedImages(all, ownSide, 2);
  return { name: 'Your drawings', images, shape: [ownSide, ownSide, 1], classes: [] };
}

/** Limits that keep files from filling the memory. */
const [mostFiles, mostBytes] = [2000, 30 * 2 ** 20] as const;

/** Why files are left out, for the user. */
export const whyRefused = `not images, larger than ${mostBytes / 2 ** 20} MB, or beyond the first ${mostFiles.toLocaleString('en-US')}`;

export interface ReadFiles {
  readonly images: TrainingImages | undefined;
  /** Number of files that are not images, are larger than 30 MB, or are beyond the first 2,000. */
  readonly refused: number;
}

/** Decodes files to color images of 16x16: their middle square, reduced by the browser. */
export async function readImageFiles(files: readonly File[]): Promise<ReadFiles> {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [ownSide, ownSide];
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingQuality = 'high';
  const decoded: Uint8Array[] = [];
  for (const file of files.slice(0, mostFiles)) {
    if (file.size > mostBytes) continue;
    let bitmap: ImageBitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      continue; // counted below
    }
    const side = Math.min(bitmap.width, bitmap.height);
    const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    context.fillStyle = '#fff';
    context.fillRect(0, 0, ownSide, ownSide);
    context.drawImage(bitmap, left, top, side, side, 0, 0, ownSide, ownSide);
    bitmap.close();
    const { data } = context.getImageData(0, 0, ownSide, ownSide);
    decoded.push(data.filter((_, i) => i % 4 !== 3) as unknown as Uint8Array);
  }
  const images = new Uint8Array(decoded.length * ownSide ** 2 * 3);
  decoded.forEach((image, n) => images.set(image, n * ownSide ** 2 * 3));
  return {
    images:
      decoded.length === 0 ? undefined : { name: 'Your images', images, shape: [ownSide, ownSide, 3], classes: [] },
    refused: files.length - decoded.length,
  };
}
