import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError, reasonOf } from '../errors.js';
import { readBytes } from '../io/read-file.js';

// The idx format, http://yann.lecun.com/exdb/mnist: two zero bytes, a type code, the number of dimensions, each
// dimension as big-endian uint32, then the elements in row-major order.

/** An idx file of unsigned bytes. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;
const OTHER_TYPES: Readonly<Record<number, string>> = {
  0x09: 'signed byte',
  0x0b: 'int16',
  0x0c: 'int32',
  0x0d: 'float32',
  0x0e: 'float64',
};
/** More than any idx set in use (MNIST: 47 MB), less than what a small gzip file could blow up to. */
const MAX_UNPACKED_BYTES = 2 ** 31;

/** Reads an idx file, gzipped or not (by its content, not its name). Throws a DataError naming the file. */
export async function readIdx(path: string): Promise<IdxArray> {
  const bytes = await readBytes(path);
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!zipped) return parseIdx(bytes, path);
  const unpacked = await promisify(gunzip)(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }).catch((cause: unknown) => {
    throw new DataError(`${path}: damaged gzip file (${reasonOf(cause)}).`, { code: 'DATA_CORRUPT', cause });
  });
  return parseIdx(unpacked, path);
}

/**
 * Reads the bytes of an idx file of unsigned bytes; `source` names it in errors. Throws a DataError on a file that is cut
 * off, of another kind or of another type of numbers.
 */
export function parseIdx(bytes: Uint8Array, source: string): IdxArray {
  if (bytes.length < 4)
    throw new DataError(`${source}: ${bytes.length} bytes are too few for an idx header.`, { code: 'DATA_CORRUPT' });
  if (bytes[0] !== 0 || bytes[1] !== 0) {
    const magic = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new DataError(`${source}: not an idx file: it starts with ${magic}, not with 00 00.`);
  }
  const type = bytes[2]!;
  if (type !== UNSIGNED_BYTE) {
    const known = OTHER_TYPES[type];
    throw new DataError(
      `${source}: idx type 0x${type.toString(16).padStart(2, '0')} (${known ?? 'unknown'}); only 0x08 (unsigned byte) is read.`,
      { code: 'DATA_UNSUPPORTED' },
    );
  }
  const rank = bytes[3]!;
  const header = 4 + 4 * rank;
  if (rank === 0) throw new DataError(`${source}: an idx file without dimensions.`);
  if (bytes.length < header)
    throw new DataError(`${source}: cut off within the header (${bytes.length} of ${header} bytes).`, {
      code: 'DATA_CORRUPT',
    });

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  if (shape.includes(0))
    throw new DataError(`${source}: empty: its dimensions are [${shape.join(', ')}].`, { code: 'DATA_EMPTY' });
  const expected = shape.reduce((product, side) => product * side, 1);
  const data = bytes.subarray(header);
  if (data.length !== expected) {
    throw new DataError(
      `${source}: [${shape.join(', ')}] needs ${expected} bytes of data, but ${data.length} follow the header` +
        (data.length < expected ? ' (cut off?).' : '.'),
      { code: 'DATA_CORRUPT' },
    );
  }
  return { shape, data };
}
