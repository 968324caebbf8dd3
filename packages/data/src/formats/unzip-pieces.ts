import type { Transform } from 'node:stream';

/** Bytes that come out of zlib at a time. */
export const PIECE_BYTES = 2 ** 16;

/**
 * What zlib makes of `packed`, piece by piece, so that what is too much is seen before it is held; leaving the loop ends the
 * work. Throws zlib's error on damaged bytes.
 */
export async function* unzipPieces(packed: Uint8Array, unzip: Transform): AsyncGenerator<Uint8Array> {
  unzip.end(packed);
  for await (const piece of unzip) yield piece as Uint8Array;
}
