/** Whole files in memory, whatever their size: Node reads and hashes less than 2 GiB in one call. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Bytes that go through one call of the file system or of a hash, by default. */
const defaultChunkBytes = 2 ** 26;

/** The parts of `bytes`, in order, each at most `size` long: views, no copies. */
export function* splitIntoChunks(bytes: Uint8Array, size = defaultChunkBytes): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export interface ReadOptions {
  /** Told of each chunk as it comes, such as a hash. */
  readonly onChunk?: (chunk: Uint8Array) => void;
  /** Bytes of a chunk. */
  readonly size?: number;
}

/** Reads a file chunk by chunk into one array. Throws what the file system throws, and where the file shrinks meanwhile. */
export function readFileChunked(path: string, { onChunk, size = defaultChunkBytes }: ReadOptions = {}): Uint8Array {
  const fd = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(fstatSync(fd).size);
    for (const chunk of splitIntoChunks(bytes, size)) {
      // Fewer bytes than asked are a normal answer.
      for (let done = 0; done < chunk.length;) {
        const read = readSync(fd, chunk, done, chunk.length - done, null);
        if (read === 0) throw new Error(`${path} became shorter while it was read`);
        done += read;
      }
      onChunk?.(chunk);
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}
