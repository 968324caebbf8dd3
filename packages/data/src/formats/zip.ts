import type { FileHandle } from 'node:fs/promises';
import { createInflateRaw } from 'node:zlib';
import crc32 from 'crc-32';
import { fromBufferPromise, fromRandomAccessReaderPromise, RandomAccessReader, type Entry, type ZipFile } from 'yauzl';
import { DataError, reasonOf } from '../errors.js';
import { readAt, withFile } from '../io/read-file.js';
import { checkLimit, resolveLimits, type DataLimits } from '../limits.js';
import { PIECE_BYTES, unzipPieces } from './unzip-pieces.js';

// yauzl reads the directory of a zip archive. Entries are read here by position, in any order and concurrently, and
// checked against their CRC-32, which yauzl leaves to its caller.

/** A file in an archive, as described in the archive's directory. */
export interface ZipEntry {
  readonly name: string;
  /** Compression method: 0 is stored, 8 is deflated. */
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly encrypted: boolean;
  /** Position of the entry's local header. */
  readonly start: number;
  /** Position of the next entry, or of the end of the archive. */
  readonly end: number;
}

/**
 * Reads bytes by position.
 * @throws {DataError} if the file ends before
 */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

const STORED = 0;
const DEFLATED = 8;
const HEADER_BYTES = 30;
const READ_AHEAD_BYTES = 2 ** 18;
const HEADER_SIGNATURE = 0x04034b50;

/**
 * The files of an archive, without folders.
 * @throws {DataError} if the archive is damaged, or files overlap (one piece of compressed data could represent any
 * number of files); the message names the archive
 */
export async function listZip(path: string, limits: DataLimits = resolveLimits()): Promise<ZipEntry[]> {
  return withFile(path, async (file) => {
    const { size } = await file.stat();
    return directory(
      path,
      fromRandomAccessReaderPromise(new ReadAheadReader(file), size, { autoClose: false }),
      limits,
    );
  });
}

/** Buffers reads: yauzl makes two small reads per entry, which takes minutes for a million entries. */
class ReadAheadReader extends RandomAccessReader {
  private readonly ahead = Buffer.allocUnsafeSlow(READ_AHEAD_BYTES);
  private start = 0;
  private end = 0;

  constructor(private readonly file: FileHandle) {
    super();
  }

  override read(
    target: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null) => void,
  ): void {
    void this.copy(target, offset, length, position).then(() => done(null), done);
  }

  private async copy(target: Buffer, offset: number, length: number, position: number): Promise<void> {
    for (let copied = 0; copied < length;) {
      const at = position + copied;
      if (at < this.start || at >= this.end) {
        const { bytesRead } = await this.file.read(this.ahead, 0, READ_AHEAD_BYTES, at);
        [this.start, this.end] = [at, at + bytesRead];
        if (bytesRead === 0) throw new RangeError('it ends within its directory');
      }
      copied += this.ahead.copy(
        target,
        offset + copied,
        at - this.start,
        Math.min(this.end, position + length) - this.start,
      );
    }
  }
}

/** As `listZip`, for an archive in memory; `source` names it in errors. */
export async function listZipBytes(bytes: Uint8Array, source: string, limits: DataLimits): Promise<ZipEntry[]> {
  return directory(
    source,
    fromBufferPromise(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), { lazyEntries: true }),
    limits,
  );
}

/**
 * Reads one file of an archive.
 * @throws {DataError} if it is damaged or unsupported; the message names archive and file
 */
export async function readZipEntry(path: string, entry: ZipEntry): Promise<Uint8Array> {
  return withFile(path, (file) => extract(path, entry, (position, length) => readAt(file, path, position, length)));
}

/** As `readZipEntry`, for an archive in memory. */
export async function readZipEntryBytes(bytes: Uint8Array, source: string, entry: ZipEntry): Promise<Uint8Array> {
  return extract(source, entry, (position, length) => {
    if (position + length > bytes.length)
      return Promise.reject(new DataError(`${source}: truncated.`, { code: 'DATA_CORRUPT' }));
    return Promise.resolve(Buffer.from(bytes.buffer, bytes.byteOffset + position, length));
  });
}

async function directory(source: string, opening: Promise<ZipFile>, limits: DataLimits): Promise<ZipEntry[]> {
  const entries: { -readonly [Field in keyof ZipEntry]: ZipEntry[Field] }[] = [];
  let bytes = 0;
  try {
    const archive = await opening;
    bytes = archive.fileSize;
    for await (const entry of archive.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      entries.push(describe(entry));
      checkLimit(`${source}: files in the archive`, entries.length, limits, 'maxImages');
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(
      `${source}: not a readable zip archive (${reasonOf(cause)}). Was it copied or downloaded completely?`,
      { cause },
    );
  }
  const byPosition = entries.toSorted((a, b) => a.start - b.start);
  for (const [i, entry] of byPosition.entries()) {
    const next = byPosition[i + 1];
    entry.end = next?.start ?? bytes;
    if (entry.start + HEADER_BYTES + entry.compressedBytes > entry.end) throw overlap(source, entry);
  }
  return entries;
}

function overlap(source: string, { name }: ZipEntry): DataError {
  return new DataError(
    `${source}/${name}: damaged: the file overlaps the next one in the archive. Create the archive again.`,
    { code: 'DATA_CORRUPT' },
  );
}

function describe(entry: Entry): ZipEntry {
  return {
    name: entry.fileName,
    method: entry.compressionMethod,
    crc32: entry.crc32,
    compressedBytes: entry.compressedSize,
    bytes: entry.uncompressedSize,
    encrypted: entry.isEncrypted(),
    start: entry.relativeOffsetOfLocalHeader,
    end: 0, // known when all entries are
  };
}

async function extract(source: string, entry: ZipEntry, read: ReadAt): Promise<Uint8Array> {
  const name = `${source}/${entry.name}`;
  if (entry.encrypted)
    throw new DataError(`${name}: encrypted; create the archive without a password.`, { code: 'DATA_UNSUPPORTED' });
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw new DataError(
      `${name}: compression method ${entry.method}; only stored (0) and deflated (8) are supported.`,
      {
        code: 'DATA_UNSUPPORTED',
      },
    );
  }
  const header = await read(entry.start, HEADER_BYTES);
  if (header.readUInt32LE(0) !== HEADER_SIGNATURE) {
    throw new DataError(`${name}: damaged: the archive's directory points to a position without a file.`, {
      code: 'DATA_CORRUPT',
    });
  }
  const dataStart = entry.start + HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (dataStart + entry.compressedBytes > entry.end) throw overlap(source, entry);
  const packed = await read(dataStart, entry.compressedBytes);
  const bytes = entry.method === STORED ? packed : await inflate(name, packed, entry.bytes);
  if (bytes.length !== entry.bytes) {
    throw new DataError(
      `${name}: damaged: it has ${bytes.length} bytes, ${entry.bytes} according to the archive's directory.`,
      {
        code: 'DATA_CORRUPT',
      },
    );
  }
  if (crc32.buf(bytes) >>> 0 !== entry.crc32)
    throw new DataError(`${name}: damaged: its CRC-32 does not match.`, { code: 'DATA_CORRUPT' });
  return bytes;
}

/** Stops if the output is larger than the directory says. Allocates memory only as output arrives. */
async function inflate(name: string, packed: Buffer, expected: number): Promise<Uint8Array> {
  let length = 0;
  try {
    const bytes = new Uint8Array(expected);
    for await (const piece of unzipPieces(packed, createInflateRaw({ chunkSize: PIECE_BYTES }))) {
      if (length + piece.length > expected) throw new RangeError(`it unpacks to more than ${expected} bytes`);
      bytes.set(piece, length);
      length += piece.length;
    }
    return bytes.subarray(0, length);
  } catch (cause) {
    throw new DataError(`${name}: damaged: cannot be inflated (${reasonOf(cause)}).`, { code: 'DATA_CORRUPT', cause });
  }
}
