import { checkInteger } from '@dm/ops';
import sharp from 'sharp';
import { toBytes } from '../batch/pixels.js';
import { imageBytes } from '../checks.js';

export interface ImageGridOptions {
  /** [H, W, C] of each image; C is 1 or 3. */
  readonly shape: readonly [number, number, number];
  /** Images per row. Default: ceil(sqrt(N)). */
  readonly columns?: number;
  /** Each pixel becomes scale x scale pixels (nearest neighbor). Default 1. */
  readonly scale?: number;
  /** Pixels between images and around them, after scaling. Default 2. */
  readonly gap?: number;
  /** Gray level of gaps and empty cells, 0 to 255. Default 255. */
  readonly background?: number;
}

/**
 * A grid of images (contact sheet) as PNG bytes. `images` is [N, H, W, C]: float32 in [-1, 1] (clamped) or uint8.
 * @throws {RangeError} if sizes do not match, C is not 1 or 3, or a value is NaN
 */
export async function imageGrid(images: Float32Array | Uint8Array, options: ImageGridOptions): Promise<Uint8Array> {
  const [height, width, channels] = options.shape;
  const pixels = imageBytes('imageGrid', options.shape);
  if (channels !== 1 && channels !== 3)
    throw new RangeError(`imageGrid: images must have 1 or 3 channels, got ${channels}.`);
  if (images.length === 0 || images.length % pixels !== 0) {
    throw new RangeError(
      `imageGrid: ${images.length} numbers are not a multiple of the image shape ${options.shape.join('x')}.`,
    );
  }
  const bytes = images instanceof Uint8Array ? images : toBytes(images);
  const count = bytes.length / pixels;
  const columns = options.columns ?? Math.ceil(Math.sqrt(count));
  const scale = options.scale ?? 1;
  const gap = options.gap ?? 2;
  checkInteger('imageGrid: columns', columns, 1);
  checkInteger('imageGrid: scale', scale, 1);
  checkInteger('imageGrid: gap', gap, 0);
  const rows = Math.ceil(count / columns);

  const sheetWidth = columns * (width * scale + gap) + gap;
  const sheetHeight = rows * (height * scale + gap) + gap;
  const sheet = new Uint8Array(sheetWidth * sheetHeight * channels).fill(options.background ?? 255);
  for (let n = 0; n < count; n++) {
    const left = gap + (n % columns) * (width * scale + gap);
    const top = gap + Math.floor(n / columns) * (height * scale + gap);
    for (let y = 0; y < height * scale; y++) {
      const source = n * pixels + Math.floor(y / scale) * width * channels;
      const target = ((top + y) * sheetWidth + left) * channels;
      for (let x = 0; x < width * scale; x++) {
        for (let c = 0; c < channels; c++) {
          sheet[target + x * channels + c] = bytes[source + Math.floor(x / scale) * channels + c]!;
        }
      }
    }
  }
  return sharp(sheet, { raw: { width: sheetWidth, height: sheetHeight, channels } })
    .png()
    .toBuffer();
}
