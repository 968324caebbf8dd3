/** The error for an image that cannot be decoded, in terms of the file rather than of the decoder. */
import { DataError, reasonOf } from '../errors.js';

/** Messages of libjpeg and libnsgif for a truncated image. */
const CUT_SHORT = /premature end|unexpected end/i;
const PNG_SIGNATURE_BYTES = 8;
/** Length, type and CRC-32 of a chunk. */
const PNG_CHUNK_BYTES = 12;
const RIFF_HEADER_BYTES = 8;

/** The error for an image that sharp cannot decode; `cause` is sharp's error. */
export function undecodable(bytes: Uint8Array, name: string, cause: unknown): DataError {
  const reason = reasonOf(cause);
  const endsEarly = CUT_SHORT.test(reason) || isPngCutShort(bytes) || isWebpCutShort(bytes);
  const why = endsEarly ? `it ends early, after ${bytes.length} bytes; copy or download it again` : reason;
  return new DataError(`${name}: cannot be decoded (${why}).`, { code: 'DATA_CORRUPT', cause });
}

/** Whether a PNG ends before its last chunk, IEND. */
function isPngCutShort(bytes: Uint8Array): boolean {
  if (textAt(bytes, 1, 3) !== 'PNG') return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = PNG_SIGNATURE_BYTES;
  while (at + PNG_CHUNK_BYTES <= bytes.length) {
    if (textAt(bytes, at + 4, 4) === 'IEND') return false;
    at += PNG_CHUNK_BYTES + view.getUint32(at);
  }
  return true;
}

/** Whether a WebP has fewer bytes than its header says. */
function isWebpCutShort(bytes: Uint8Array): boolean {
  if (textAt(bytes, 0, 4) !== 'RIFF' || bytes.length < RIFF_HEADER_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return RIFF_HEADER_BYTES + view.getUint32(4, true) > bytes.length;
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return new TextDecoder('latin1').decode(bytes.subarray(at, at + length));
}
