import sharp from 'sharp';
import { DataError } from '../errors.js';
import { undecodable } from './undecodable.js';
import { checkLimit, limitError, type DataLimits } from '../limits.js';

/** What an encoded image says of itself before it is decoded. */
export interface ImageHeader {
  /** After it is turned as its EXIF orientation says. */
  readonly width: number;
  readonly height: number;
  readonly isGray: boolean;
  /** Of all decoded pixels as the file has them: width x height x channels x 1 or 2. */
  readonly decodedBytes: number;
  /** What libvips holds while it decodes the image: measured, rounded up. */
  readonly workingBytes: number;
}

const SIGNATURES = [
  { format: 'jpeg', at: 0, bytes: [0xff, 0xd8, 0xff] },
  { format: 'png', at: 0, bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  { format: 'gif', at: 0, bytes: [0x47, 0x49, 0x46, 0x38] },
  { format: 'webp', at: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
] as const;
/** Rows that libvips holds of an image that it decodes row by row, rounded up. */
const ROWS_HELD = 1024;
/** Bytes a pixel that any decoder may take: 16-bit RGBA once, or 8-bit RGBA twice. */
const MAX_WORKING_BYTES = 8;

/**
 * Reads the header of a JPEG, PNG, WebP or GIF and holds it against the limits; no pixel is decoded. The file's name does not
 * matter, its first bytes do: libvips would decode other formats too, among them SVG, which can ask for any amount of work.
 *
 * @throws {DataError} if it is none of these formats, its header is damaged or it exceeds a limit
 */
export async function readImageHeader(bytes: Uint8Array, name: string, limits: DataLimits): Promise<ImageHeader> {
  const found = SIGNATURES.find((known) => known.bytes.every((byte, i) => bytes[known.at + i] === byte));
  if (!found) {
    throw new DataError(`${name}: cannot be decoded (it is no JPEG, PNG, WebP or GIF).`, { code: 'DATA_CORRUPT' });
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
    // Rows become columns, or the last row the first, so that all must be there.
    (orientation > 1 ? decodedBytes : 0);
  if (workingBytes > MAX_WORKING_BYTES * limits.maxPixels) {
    throw limitError(
      `${name}: ${workingBytes} bytes to decode a ${metadata.width} x ${metadata.height} image, ${MAX_WORKING_BYTES} a pixel of the largest`,
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
  // All pixels as RGBA, and again as libvips' image; of a GIF once, and its palette's indices.
  if (format === 'webp') return 8 * pixels;
  if (format === 'gif') return 5 * pixels;
  // The coefficients of all blocks, 2 bytes each; interlaced rows.
  if (isProgressive) return format === 'jpeg' ? 2 * decodedBytes : decodedBytes;
  return Math.min(decodedBytes, ROWS_HELD * rowBytes);
}

/**
 * Scans of a JPEG: each start-of-scan marker outside of other segments, up to one above `max`. 700 kB can hold 6000
 * scans, which take minutes, as each passes over all blocks.
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
