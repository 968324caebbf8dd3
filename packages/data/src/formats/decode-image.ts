import { setImmediate } from 'node:timers/promises';
import sharp, { type Sharp } from 'sharp';
import { DataError } from '../errors.js';
import { createByteBudget } from '../io/byte-budget.js';
import { resolveLimits, type DataLimits } from '../limits.js';
import { undecodable } from './undecodable.js';
import { readImageHeader, type ImageHeader } from './image-header.js';
import { resampleSteps, type ResampleFilter } from './resample.js';

/**
 * How image files are resized:
 * - `bicubic`, `lanczos3`: as in Pillow (within 1 gray level), with the kernel widened when downscaling.
 * - `libvips`: Lanczos-3 of libvips, the only method of earlier versions. It shifts enlarged images by half a target
 *   pixel, and differs from Pillow by a few gray levels when downscaling. For runs and data hashes from that time.
 */
export type ImageResize = ResampleFilter | 'libvips';

export const imageResizes: readonly ImageResize[] = ['bicubic', 'lanczos3', 'libvips'];

export interface DecodeOptions {
  /** Side of the square images, 1 to 4096: the shorter side is resized to it, then the center is cropped. */
  readonly size: number;
  /** 1 (gray) or 3 (RGB). Default 3. Transparent pixels become white. */
  readonly channels?: 1 | 3;
  /** Default `bicubic`. Images whose shorter side is `size` are only cropped. */
  readonly resize?: ImageResize;
  /** Resource limits. */
  readonly limits?: Partial<DataLimits>;
}

/** File extensions of images. */
export const imageExtensions: readonly string[] = ['.jpg', '.jpeg', '.png', '.webp', '.gif'];
const MAX_SIZE = 4096;
/** Memory for all images decoded at a time in this process; a larger image is decoded alone. */
const DECODING = createByteBudget(2 ** 29);

/** @throws {DataError} `DATA_OPTION` if size or channels are out of range, or the resize method is unknown */
export function checkDecodeOptions(name: string, { size, channels = 3, resize = 'bicubic' }: DecodeOptions): void {
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
  if (!imageResizes.includes(resize)) {
    throw new DataError(`${name}: resize method "${resize}"; it must be one of ${imageResizes.join(', ')}.`, {
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
 * resized over all pixels (antialiased). libvips decodes on libuv's thread pool; resizing lets the event loop run
 * every millisecond. Waits until enough memory is free.
 * @throws {DataError} if the image is damaged or exceeds a limit; the message names it
 */
export async function decodeImage(
  bytes: Uint8Array,
  name: string,
  header: ImageHeader,
  { size, channels = 3, resize = 'bicubic' }: Pick<DecodeOptions, 'size' | 'channels' | 'resize'>,
): Promise<DecodedImage> {
  if (resize !== 'libvips') {
    const workingBytes = header.workingBytes + wholeBytes(header, channels);
    return decode(bytes, name, { channels, workingBytes, finish: (image) => resizeToCover(image, size, resize) });
  }
  const change = (image: Sharp) =>
    // Without fastShrinkOnLoad: it leaves part of the resizing to the JPEG decoder, which is not Lanczos-3.
    image.resize(size, size, { fit: 'cover', position: 'center', kernel: 'lanczos3', fastShrinkOnLoad: false });
  return decode(bytes, name, { channels, workingBytes: header.workingBytes + 8 * size * size, change });
}

/**
 * Resizes the shorter side to `size` and crops the center, as Resize and CenterCrop of torchvision: the longer side is
 * rounded down, and half pixels of the crop's position to even.
 */
async function resizeToCover(
  { data, ...image }: DecodedImage,
  size: number,
  filter: ResampleFilter,
): Promise<DecodedImage> {
  const { width, height, channels } = image;
  const scaled = (side: number) => Math.trunc((size * side) / Math.min(width, height));
  const [toHeight, toWidth] = [scaled(height), scaled(width)];
  const steps = resampleSteps(data, {
    shape: [1, height, width, channels],
    height: toHeight,
    width: toWidth,
    filter,
    crop: { top: centered(toHeight - size), left: centered(toWidth - size), height: size, width: size },
  });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return { data: value, width: size, height: size, channels };
    await setImmediate();
  }
}

/** Half of `pixels`; halves are rounded to even. */
function centered(pixels: number): number {
  const low = Math.floor(pixels / 2);
  return pixels % 2 === 0 || low % 2 === 0 ? low : low + 1;
}

/** Bytes of a decoded image, and of libvips' copy of it. */
function wholeBytes({ width, height }: ImageHeader, channels: 1 | 3): number {
  return 2 * width * height * channels;
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
  return decode(bytes, name, { channels, workingBytes: header.workingBytes + wholeBytes(header, channels) });
}

interface DecodingPlan {
  readonly channels: 1 | 3;
  /** Memory that decoding and `finish` need. */
  readonly workingBytes: number;
  /** What libvips does to the image. Default: nothing. */
  readonly change?: (image: Sharp) => Sharp;
  /** What is done to its pixels afterwards. Default: nothing. */
  readonly finish?: (image: DecodedImage) => DecodedImage | Promise<DecodedImage>;
}

async function decode(
  bytes: Uint8Array,
  name: string,
  { channels, workingBytes, change = (image) => image, finish = (image) => image }: DecodingPlan,
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
      return await finish({ data, width, height, channels });
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
