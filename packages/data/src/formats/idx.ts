import { createGunzip } from 'node:zlib';
import { DataError, reasonOf } from '../errors.js';
import { readBytes } from '../io/read-file.js';
import { checkLimit, resolveLimits, type DataLimits } from '../limits.js';
import { PIECE_BYTES, unzipPieces } from './unzip-pieces.js';

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
/** Header size with 255 dimensions. */
const MAX_HEADER_BYTES = 4 + 4 * 255;

/**
 * Reads an idx file. Gzip is detected by content, not by name.
 * @throws {DataError} if the file is missing, damaged, not an idx file of bytes, or unpacks to more than
 * `limits.maxUnpackedBytes`; the message names it
 */
export async function readIdx(path: string, limits: Partial<DataLimits> = {}): Promise<IdxArray> {
  const bytes = await readBytes(path);
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return parseIdx(zipped ? await unpackIdx(bytes, path, resolveLimits(limits, bytes.length)) : bytes, path);
}

/** Unpacks a gzipped idx file. Unpacks at most the length given by the idx header, directly into one buffer. */
async function unpackIdx(packed: Uint8Array, path: string, limits: DataLimits): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array();
  let file: { readonly bytes: Uint8Array; readonly header: IdxHeader } | undefined;
  let length = 0;
  try {
    for await (const piece of unzipPieces(packed, createGunzip({ chunkSize: PIECE_BYTES }))) {
      let next = piece;
      if (!file) {
        next = Buffer.concat([head, piece]);
        head = next;
        if (head.length < MAX_HEADER_BYTES) continue;
        const header = parseHeader(head, path);
        const bytes = header.dataStart + header.dataBytes;
        checkLimit(`${path}: unpacked bytes of [${header.shape.join(', ')}]`, bytes, limits, 'maxUnpackedBytes');
        file = { bytes: new Uint8Array(bytes), header };
      }
      if (length + next.length > file.bytes.length) throw wrongLength(path, file.header, undefined);
      file.bytes.set(next, length);
      length += next.length;
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path}: damaged gzip file (${reasonOf(cause)}).`, { code: 'DATA_CORRUPT', cause });
  }
  return file ? file.bytes.subarray(0, length) : head;
}

/**
 * Parses an idx file of unsigned bytes; `source` names it in errors.
 * @throws {DataError} if it is truncated, not an idx file, or has another element type
 */
export function parseIdx(bytes: Uint8Array, source: string): IdxArray {
  const header = parseHeader(bytes, source);
  const data = bytes.subarray(header.dataStart);
  if (data.length !== header.dataBytes) {
    throw wrongLength(source, header, data.length);
  }
  return { shape: header.shape, data };
}

interface IdxHeader {
  readonly shape: readonly number[];
  readonly dataStart: number;
  readonly dataBytes: number;
}

function parseHeader(bytes: Uint8Array, source: string): IdxHeader {
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
      `${source}: idx type 0x${type.toString(16).padStart(2, '0')} (${known ?? 'unknown'}); only 0x08 (unsigned byte) is supported.`,
      { code: 'DATA_UNSUPPORTED' },
    );
  }
  const rank = bytes[3]!;
  const header = 4 + 4 * rank;
  if (rank === 0) throw new DataError(`${source}: an idx file without dimensions.`);
  if (bytes.length < header)
    throw new DataError(`${source}: truncated within the header (${bytes.length} of ${header} bytes).`, {
      code: 'DATA_CORRUPT',
    });

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  if (shape.includes(0))
    throw new DataError(`${source}: empty: its dimensions are [${shape.join(', ')}].`, { code: 'DATA_EMPTY' });
  return { shape, dataStart: header, dataBytes: shape.reduce((product, side) => product * side, 1) };
}

/** `found` is undefined if there are more bytes than needed, which were not counted. */
function wrongLength(source: string, { shape, dataBytes }: IdxHeader, found: number | undefined): DataError {
  return new DataError(
    `${source}: [${shape.join(', ')}] needs ${dataBytes} bytes of data, but ${found ?? 'more'} follow the header` +
      (found !== undefined && found < dataBytes ? ' (truncated?).' : '.'),
    { code: 'DATA_CORRUPT' },
  );
}
