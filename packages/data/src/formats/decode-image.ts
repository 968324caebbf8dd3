import sharp from 'sharp';
import { DataError, reasonOf } from '../errors.js';

export interface DecodeOptions {
  /** Side of the square images, 1 to 4096: the shorter side is resized to it, then the middle is cut out. */
  readonly size: number;
  /** 1 (gray) or 3 (RGB). Default 3. Transparent pixels become white. */
  readonly channels?: 1 | 3;
}

/** Ends of the file names that are taken for images. */
export const imageExtensions: readonly string[] = ['.jpg', '.jpeg', '.png', '.webp', '.gif'];
const MAX_SIZE = 4096;

/** Throws a DataError on a size that cannot be. */
export function checkDecodeOptions(name: string, { size, channels = 3 }: DecodeOptions): void {
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    throw new DataError(`${name}: image size ${size}; it must be an integer from 1 to ${MAX_SIZE}.`, {
      code: 'DATA_OPTION',
    });
  }
  if (channels !== 1 && channels !== 3) {
    throw new DataError(`${name}: ${String(channels)} image channels; it must be 1 (gray) or 3 (RGB).`, {
      code: 'DATA_OPTION',
    });
  }
}

/**
 * One jpg, png, webp or gif (its first frame) as uint8 [size, size, channels], turned as its EXIF orientation says and
 * resized by Lanczos-3 over all pixels, so without aliasing. Decoded on libuv's thread pool by libvips: the event loop
 * goes on meanwhile. Throws a DataError naming the image.
 */
export async function decodeImage(
  bytes: Uint8Array,
  name: string,
  { size, channels = 3 }: DecodeOptions,
): Promise<Uint8Array> {
  try {
    // Bytes and not a path: libvips would keep what it decoded under a path that may hold another image by now.
    // Without fastShrinkOnLoad: it leaves part of the resizing to the JPEG decoder, which is not Lanczos-3.
    const image = sharp(bytes, { failOn: 'error' })
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .resize(size, size, { fit: 'cover', position: 'center', kernel: 'lanczos3', fastShrinkOnLoad: false })
      .toColorspace(channels === 1 ? 'b-w' : 'srgb');
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (data.length !== size * size * channels)
      throw new DataError(`it has ${info.channels} channels, not ${channels}`);
    return data;
  } catch (cause) {
    throw new DataError(`${name}: cannot be decoded (${reasonOf(cause)}).`, { code: 'DATA_CORRUPT', cause });
  }
}
