import sharp, { type Sharp } from 'sharp';
import { DataError } from '../errors.js';
import { createByteBudget } from '../io/byte-budget.js';
import { resolveLimits, type DataLimits } from '../limits.js';
import { undecodable } from './undecodable.js';
import { readImageHeader, type ImageHeader } from './image-header.js';

export interface DecodeOptions {
  /** Side of the square images, 1 to 4096: the shorter side is resized to it, then the center is cropped. */
  readonly size: number;
  /** 1 (gray) or 3 (RGB). Default 3. Transparent pixels become white. */
  readonly channels?: 1 | 3;
  /** Resource limits. */
  readonly limits?: Partial<DataLimits>;
}

/** File extensions of images. */
export const imageExtensions: readonly string[] = ['.jpg', '.jpeg', '.png', '.webp', '.gif'];
const MAX_SIZE = 4096;
/** Memory for all images decoded at a time in this process; a larger image is decoded alone. */
const DECODING = createByteBudget(2 ** 29);

/** @throws {DataError} `DATA_OPTION` if size or channels are out of range */
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

/** Bytes that one image may leave in libvips' cache. */
const CACHED_BYTES = 2 ** 24;

/** uint8 [height, width, channels]. */
export interface DecodedImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/**
 * One jpg, png, webp or gif (its first frame) as uint8 [size, size, channels], rotated by its EXIF orientation and
 * resized by Lanczos-3 over all pixels (antialiased). libvips decodes on libuv's thread pool, so the event loop is not
 * blocked. Waits until enough memory is free.
 * @throws {DataError} if the image is damaged or exceeds a limit; the message names it
 */
export async function decodeImage(
  bytes: Uint8Array,
  name: string,
  header: ImageHeader,
  { size, channels = 3 }: Pick<DecodeOptions, 'size' | 'channels'>,
): Promise<DecodedImage> {
  const resizingBytes = 8 * size * size;
  return decode(bytes, name, channels, header.workingBytes + resizingBytes, (image) =>
    // Without fastShrinkOnLoad: it leaves part of the resizing to the JPEG decoder, which is not Lanczos-3.
    image.resize(size, size, { fit: 'cover', position: 'center', kernel: 'lanczos3', fastShrinkOnLoad: false }),
  );
}

/**
 * Size and channels (1 if gray, else 3) of an encoded image after rotation by its EXIF orientation; decodes no pixels.
 * @throws {DataError} if it is not an image or exceeds a limit; the message names it
 */
export async function readImageSize(
  bytes: Uint8Array,
  name: string,
  limits: Partial<DataLimits> = {},
): Promise<Omit<DecodedImage, 'data'>> {
  const { width, height, isGray } = await readImageHeader(bytes, name, resolveLimits(limits));
  return { width, height, channels: isGray ? 1 : 3 };
}

/**
 * As `decodeImage`, without resizing. Default of `channels`: 1 if the file is gray, else 3.
 * @throws {DataError} if the image is damaged or exceeds a limit; the message names it
 */
export async function decodeWholeImage(
  bytes: Uint8Array,
  name: string,
  options: Partial<Omit<DecodeOptions, 'size'>> = {},
): Promise<DecodedImage> {
  const header = await readImageHeader(bytes, name, resolveLimits(options.limits));
  const channels = options.channels ?? (header.isGray ? 1 : 3);
  const outputBytes = 2 * header.width * header.height * channels;
  return decode(bytes, name, channels, header.workingBytes + outputBytes, (image) => image);
}

async function decode(
  bytes: Uint8Array,
  name: string,
  channels: 1 | 3,
  workingBytes: number,
  change: (image: Sharp) => Sharp,
): Promise<DecodedImage> {
  try {
    return await DECODING.run(workingBytes, async () => {
      // Bytes instead of a path: libvips caches by path, and the file may have changed.
      // The number of pixels has been checked against the limits.
      const upright = sharp(bytes, { failOn: 'error', limitInputPixels: false })
        .autoOrient()
        .flatten({ background: '#ffffff' });
      const { data, info } = await change(upright)
        .toColorspace(channels === 1 ? 'b-w' : 'srgb')
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
      const { width, height } = info;
      if (data.length !== width * height * channels)
        throw new DataError(`it has ${info.channels} channels, not ${channels}`);
      return { data, width, height, channels };
    }).finally(() => {
      if (workingBytes > CACHED_BYTES) releaseDecoders();
    });
  } catch (cause) {
    throw undecodable(bytes, name, cause);
  }
}

/**
 * Empties libvips' operation cache, then restores its size. The cache keeps decoders with their buffers, several
 * hundred MB each, which its own memory accounting ignores.
 */
function releaseDecoders(): void {
  const { memory, files, items } = sharp.cache();
  sharp.cache(false);
  sharp.cache({ memory: memory.max, files: files.max, items: items.max });
}
