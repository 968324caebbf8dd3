import sharp from 'sharp';
import { DataError } from '../errors.js';
import { undecodable } from './undecodable.js';
import { checkLimit, limitError, type DataLimits } from '../limits.js';

/** Header of an encoded image, read before decoding. */
export interface ImageHeader {
  /** Width after rotation by the EXIF orientation. */
  readonly width: number;
  readonly height: number;
  readonly isGray: boolean;
  /** Bytes of all decoded pixels in the file's format: width x height x channels x (1 or 2). */
  readonly decodedBytes: number;
  /** Bytes that libvips uses to decode the image: measured, rounded up. */
  readonly workingBytes: number;
}

const SIGNATURES = [
  { format: 'jpeg', at: 0, bytes: [0xff, 0xd8, 0xff] },
  { format: 'png', at: 0, bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  { format: 'gif', at: 0, bytes: [0x47, 0x49, 0x46, 0x38] },
  { format: 'webp', at: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
] as const;
/** Rows that libvips buffers of an image that it decodes row by row, rounded up. */
const ROWS_HELD = 1024;
/** Bytes per pixel that any decoder may use: 16-bit RGBA once, or 8-bit RGBA twice. */
const MAX_WORKING_BYTES = 8;

/**
 * Reads the header of a JPEG, PNG, WebP or GIF and checks it against the limits; decodes no pixels. The format is
 * detected from the first bytes, not from the name: libvips also decodes other formats such as SVG, which can require
 * unbounded work.
 *
 * @throws {DataError} if it has another format, its header is damaged, or it exceeds a limit
 */
export async function readImageHeader(bytes: Uint8Array, name: string, limits: DataLimits): Promise<ImageHeader> {
  const found = SIGNATURES.find((known) => known.bytes.every((byte, i) => bytes[known.at + i] === byte));
  if (!found) {
    throw new DataError(`${name}: cannot be decoded (it is not a JPEG, PNG, WebP or GIF).`, { code: 'DATA_CORRUPT' });
  }
  const metadata = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw undecodable(bytes, name, cause);
    });
  const { format, channels, depth, isProgressive, orientation = 1, space, autoOrient } = metadata;
  const pixels = metadata.width * metadata.height;
  checkLimit(`${name}: pixels of a ${metadata.width} x ${metadata.height} image`, pixels, limits, 'maxPixels');
  if (format === 'jpeg') {
    checkLimit(`${name}: scans of a JPEG`, countScans(bytes, limits.maxScans), limits, 'maxScans');
  }
  const sampleBytes = depth === 'uchar' ? 1 : 2;
  const decodedBytes = pixels * channels * sampleBytes;
  const rowBytes = metadata.width * channels * sampleBytes;
  const workingBytes =
    decoderBytes({ format, isProgressive, pixels, decodedBytes, rowBytes }) +
    // Rotation needs all rows at once.
    (orientation > 1 ? decodedBytes : 0);
  if (workingBytes > MAX_WORKING_BYTES * limits.maxPixels) {
    throw limitError(
      `${name}: ${workingBytes} bytes to decode a ${metadata.width} x ${metadata.height} image, at ${MAX_WORKING_BYTES} per pixel of the largest`,
      limits.maxPixels,
      'maxPixels',
    );
  }
  return {
    width: autoOrient.width,
    height: autoOrient.height,
    isGray: space === 'b-w' || space === 'grey16',
    decodedBytes,
    workingBytes,
  };
}

interface Decoding {
  readonly format: string;
  readonly isProgressive: boolean;
  readonly pixels: number;
  readonly decodedBytes: number;
  readonly rowBytes: number;
}

function decoderBytes({ format, isProgressive, pixels, decodedBytes, rowBytes }: Decoding): number {
  // All pixels as RGBA, and again as libvips' image. GIF: once, plus its palette indices.
  if (format === 'webp') return 8 * pixels;
  if (format === 'gif') return 5 * pixels;
  // JPEG: the coefficients of all blocks, 2 bytes each. PNG: all interlaced rows.
  if (isProgressive) return format === 'jpeg' ? 2 * decodedBytes : decodedBytes;
  return Math.min(decodedBytes, ROWS_HELD * rowBytes);
}

/**
 * Number of scans of a JPEG: start-of-scan markers outside of other segments, counted up to max + 1. A file of 700 kB
 * can have 6000 scans, which take minutes, since each processes all blocks.
 */
function countScans(bytes: Uint8Array, max: number): number {
  const [scan, firstParameterless, lastParameterless, end] = [0xda, 0xd0, 0xd8, 0xd9];
  let scans = 0;
  let at = 2;
  while (scans <= max) {
    at = bytes.indexOf(0xff, at);
    if (at < 0 || at + 3 >= bytes.length) return scans;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at += 1;
    else if (marker <= 1 || (marker >= firstParameterless && marker <= lastParameterless)) at += 2;
    else if (marker === end) return scans;
    else {
      if (marker === scan) scans++;
      at += 2 + bytes[at + 2]! * 256 + bytes[at + 3]!;
    }
  }
  return scans;
}
