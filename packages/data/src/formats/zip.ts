import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import crc32 from 'crc-32';
import { fromBufferPromise, openPromise, type Entry, type ZipFile } from 'yauzl';
import { DataError, reasonOf } from '../errors.js';
import { readAt, withFile } from '../io/read-file.js';

// The directory of a zip archive is read by yauzl; entries are read here by position, any at any time and several at
// once, and compared with their CRC-32, which yauzl leaves to its caller.

/** A file in an archive, as the archive's directory describes it. */
export interface ZipEntry {
  readonly name: string;
  /** 0 is stored, 8 deflated. */
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly encrypted: boolean;
  /** Position of the entry's own header. */
  readonly start: number;
}

/** Bytes by position; throws a DataError beyond the end. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

const STORED = 0;
const DEFLATED = 8;
const HEADER_BYTES = 30;
const HEADER_SIGNATURE = 0x04034b50;

/** The files of an archive, without its folders. Throws a DataError that names the archive. */
export async function listZip(path: string): Promise<ZipEntry[]> {
  // Opened first by us, for the errors of a file that is missing or a folder.
  return withFile(path, async () => directory(path, openPromise(path, { lazyEntries: true })));
}

/** As `listZip`, of an archive in memory; `source` names it in errors. */
export async function listZipBytes(bytes: Uint8Array, source: string): Promise<ZipEntry[]> {
  return directory(
    source,
    fromBufferPromise(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), { lazyEntries: true }),
  );
}

/** One file out of an archive. Throws a DataError that names archive and file. */
export async function readZipEntry(path: string, entry: ZipEntry): Promise<Uint8Array> {
  return withFile(path, (file) => extract(path, entry, (position, length) => readAt(file, path, position, length)));
}

/** As `readZipEntry`, of an archive in memory. */
export async function readZipEntryBytes(bytes: Uint8Array, source: string, entry: ZipEntry): Promise<Uint8Array> {
  return extract(source, entry, (position, length) => {
    if (position + length > bytes.length)
      return Promise.reject(new DataError(`${source}: cut off.`, { code: 'DATA_CORRUPT' }));
    return Promise.resolve(Buffer.from(bytes.buffer, bytes.byteOffset + position, length));
  });
}

async function directory(source: string, opening: Promise<ZipFile>): Promise<ZipEntry[]> {
  const entries: ZipEntry[] = [];
  try {
    const archive = await opening;
    for await (const entry of archive.eachEntry()) {
      if (!entry.fileName.endsWith('/')) entries.push(describe(entry));
    }
  } catch (cause) {
    throw new DataError(
      `${source}: not a readable zip archive (${reasonOf(cause)}). Was it copied or downloaded to its end?`,
      { cause },
    );
  }
  return entries;
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
  };
}

async function extract(source: string, entry: ZipEntry, read: ReadAt): Promise<Uint8Array> {
  const name = `${source}/${entry.name}`;
  if (entry.encrypted)
    throw new DataError(`${name}: encrypted; make the archive without a password.`, { code: 'DATA_UNSUPPORTED' });
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw new DataError(`${name}: compression method ${entry.method}; stored (0) and deflated (8) are read.`, {
      code: 'DATA_UNSUPPORTED',
    });
  }
  const header = await read(entry.start, HEADER_BYTES);
  if (header.readUInt32LE(0) !== HEADER_SIGNATURE) {
    throw new DataError(`${name}: damaged: no file begins where the archive's directory says.`, {
      code: 'DATA_CORRUPT',
    });
  }
  const dataStart = entry.start + HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  // The last byte first: a length that the archive cannot hold must not be allocated.
  if (entry.compressedBytes > 0) await read(dataStart + entry.compressedBytes - 1, 1);
  const packed = await read(dataStart, entry.compressedBytes);
  const bytes = entry.method === STORED ? packed : await inflated(name, packed, entry.bytes);
  if (bytes.length !== entry.bytes) {
    throw new DataError(`${name}: damaged: ${bytes.length} bytes, the archive's directory says ${entry.bytes}.`, {
      code: 'DATA_CORRUPT',
    });
  }
  if (crc32.buf(bytes) >>> 0 !== entry.crc32)
    throw new DataError(`${name}: damaged: its CRC-32 is not the one recorded.`, { code: 'DATA_CORRUPT' });
  return bytes;
}

/** Stops where more comes out than the directory says: a small entry could fill the memory. */
async function inflated(name: string, packed: Buffer, bytes: number): Promise<Buffer> {
  return promisify(inflateRaw)(packed, { maxOutputLength: Math.max(1, bytes) }).catch((cause: unknown) => {
    throw new DataError(`${name}: damaged: cannot be inflated (${reasonOf(cause)}).`, { code: 'DATA_CORRUPT', cause });
  });
}
