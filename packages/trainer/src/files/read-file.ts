/** Whole files in memory, whatever their size. */
import { readRegularFile } from '@dm/files';

export { splitIntoChunks } from '@dm/files';

export interface ReadOptions {
  /** Told of each chunk as it comes, such as a hash. */
  readonly onChunk?: (chunk: Uint8Array) => void;
  /** Bytes of a chunk. */
  readonly size?: number;
}

/** Reads a regular file chunk by chunk into one array. Throws a FileError on anything else, and if the file shrinks meanwhile. */
export function readFileChunked(path: string, { onChunk, size }: ReadOptions = {}): Uint8Array {
  return readRegularFile(path, {
    maxBytes: Infinity,
    ...(onChunk !== undefined && { onChunk }),
    ...(size !== undefined && { chunkBytes: size }),
  });
}
