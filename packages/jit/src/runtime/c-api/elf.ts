/** What a Linux library contains, read from its file without loading it. */
import { EngineError } from '../../errors.js';

// Names and layout of the ELF-64 object file format: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;

/** The tables that are read take kilobytes; a damaged file may claim any size. */
const mostBytes = 2 ** 24;
/** Bytes of constants that are read at a time. */
const CHUNK_BYTES = 2 ** 22;
/** Bytes that two chunks share: more than a string that is searched for. */
const OVERLAP_BYTES = 64;

interface ElfFile {
  readonly header: Buffer;
  /** @throws {EngineError} if the file ends before */
  readonly read: (offset: number, length: number) => Buffer;
}

/**
 * The file names of the libraries that the loader needs for the ELF-64 library at `path` (`DT_NEEDED`), in its order. Node only.
 * @throws {EngineError} `DEVICE_UNUSABLE` if the file is not a library in this format
 */
export function neededLibraries(path: string): Promise<string[]> {
  return withElf(path, (file) => {
    const { entries, names } = dynamicTable(file, path);
    return entries
      .filter(({ tag }) => tag === DT_NEEDED)
      .map(({ value }) => names.toString('utf8', value, names.indexOf(0, value)));
  });
}

/**
 * The strings of the dynamic string table of the ELF-64 library at `path`: names of symbols, of their versions, and of
 * libraries. Node only.
 * @throws {EngineError} `DEVICE_UNUSABLE` if the file is not a library in this format
 */
export function dynamicStrings(path: string): Promise<string[]> {
  return withElf(path, (file) => dynamicTable(file, path).names.toString('latin1').split('\0'));
}

/**
 * The strings of the section `.rodata` (constants of the code) of the ELF-64 library at `path` that match `pattern` from
 * their first to their last character; none if the file has no such section. The pattern may match 60 characters at
 * most. Node only.
 * @throws {EngineError} `DEVICE_UNUSABLE` if the file is not a library in this format
 */
export function constantStrings(path: string, pattern: RegExp): Promise<string[]> {
  // Linkers may store a string as the end of a longer one, so the character before it need not be zero.
  const search = new RegExp(`(?<![\\d.])(?:${pattern.source})(?=\\0)`, 'g');
  return withElf(path, ({ header, read }) => {
    const [size, count, namesIndex] = [header.readUInt16LE(58), header.readUInt16LE(60), header.readUInt16LE(62)];
    if (count === 0) return [];
    if (size < SECTION_HEADER_BYTES || namesIndex >= count) throw notALibrary(path);
    const table = read(Number(header.readBigUInt64LE(40)), size * count);
    const sections = Array.from({ length: count }, (_, i) => ({
      name: table.readUInt32LE(i * size),
      offset: Number(table.readBigUInt64LE(i * size + 24)),
      bytes: Number(table.readBigUInt64LE(i * size + 32)),
    }));
    const { offset: namesAt, bytes: namesBytes } = sections[namesIndex]!;
    const names = read(namesAt, namesBytes).toString('latin1');
    const section = sections.find(({ name }) => names.startsWith('.rodata\0', name));
    if (section === undefined) return [];
    const found = new Set<string>();
    for (let at = 0; at < section.bytes; at += CHUNK_BYTES) {
      // With the character before the chunk, which the pattern looks at.
      const from = Math.max(0, at - 1);
      const length = Math.min(at - from + CHUNK_BYTES + OVERLAP_BYTES, section.bytes - from);
      for (const [text] of read(section.offset + from, length)
        .toString('latin1')
        .matchAll(search))
        found.add(text);
    }
    return [...found];
  });
}

async function withElf<T>(path: string, work: (file: ElfFile) => T): Promise<T> {
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
    return work({ header, read });
  } finally {
    closeSync(file);
  }
}

/** The dynamic section, and the strings to which its entries refer. */
function dynamicTable({ header, read }: ElfFile, path: string) {
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
  return { entries, names: read(segment.offset + address - segment.address, valueOf(DT_STRSZ)) };
}

const notALibrary = (path: string) =>
  new EngineError('DEVICE_UNUSABLE', `${path} is not a complete library for 64-bit Linux; install it again`);
