/** Which shared libraries a Linux library is linked with, read from its file without loading it. */
import { EngineError } from '../../errors.js';

// Names and layout of the ELF-64 object file format: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;

/** The tables that are read take kilobytes; a damaged file may claim any size. */
const mostBytes = 2 ** 24;

/**
 * The file names of the libraries that the loader needs for the ELF-64 library at `path` (`DT_NEEDED`), in its order. Node only.
 * @throws {EngineError} `DEVICE_UNUSABLE` if the file is not a library in this format
 */
export async function neededLibraries(path: string): Promise<string[]> {
  const { closeSync, openSync, readSync, statSync } = await import('node:fs');
  if (!statSync(path).isFile()) throw notALibrary(path);
  const file = openSync(path, 'r');
  const read = (offset: number, length: number): Buffer => {
    if (length > mostBytes) throw notALibrary(path);
    const bytes = Buffer.alloc(length);
    if (readSync(file, bytes, 0, length, offset) < length) throw notALibrary(path);
    return bytes;
  };
  try {
    const header = read(0, HEADER_BYTES);
    // The magic number, 64 bits, little-endian.
    if (header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') throw notALibrary(path);
    const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
    if (size < PROGRAM_HEADER_BYTES) throw notALibrary(path);
    const table = read(Number(header.readBigUInt64LE(32)), size * count);
    const segments = Array.from({ length: count }, (_, i) => ({
      type: table.readUInt32LE(i * size),
      offset: Number(table.readBigUInt64LE(i * size + 8)),
      address: Number(table.readBigUInt64LE(i * size + 16)),
      bytes: Number(table.readBigUInt64LE(i * size + 32)),
    }));
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
    if (dynamic === undefined) throw notALibrary(path);
    const bytes = read(dynamic.offset, dynamic.bytes);
    const entries = Array.from({ length: Math.floor(bytes.length / 16) }, (_, i) => ({
      tag: bytes.readBigUInt64LE(16 * i),
      value: Number(bytes.readBigUInt64LE(16 * i + 8)),
    }));
    const valueOf = (tag: bigint) => entries.find((entry) => entry.tag === tag)?.value ?? 0;
    // Names are stored by their address in memory, which a segment maps to an offset in the file.
    const address = valueOf(DT_STRTAB);
    const segment = segments.find(
      (one) => one.type === PT_LOAD && one.address <= address && address < one.address + one.bytes,
    );
    if (segment === undefined) throw notALibrary(path);
    const names = read(segment.offset + address - segment.address, valueOf(DT_STRSZ));
    return entries
      .filter(({ tag }) => tag === DT_NEEDED)
      .map(({ value }) => names.toString('utf8', value, names.indexOf(0, value)));
  } finally {
    closeSync(file);
  }
}

const notALibrary = (path: string) =>
  new EngineError('DEVICE_UNUSABLE', `${path} is not a complete library for 64-bit Linux; install it again`);
