import type { Transform } from 'node:stream';

/** Size of zlib's output chunks in bytes. */
export const PIECE_BYTES = 2 ** 16;

/**
 * Decompresses `packed` with zlib in chunks, so that too much output is detected before it is stored. Leaving the loop
 * stops the decompression.
 * @throws {Error} zlib's error if the bytes are damaged
 */
export async function* unzipPieces(packed: Uint8Array, unzip: Transform): AsyncGenerator<Uint8Array> {
  unzip.end(packed);
  for await (const piece of unzip) yield piece as Uint8Array;
}
