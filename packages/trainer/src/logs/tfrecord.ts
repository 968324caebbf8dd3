/**
 * The framing of TFRecord files, the format of TensorBoard event files. Each record is:
 *
 *   uint64 length, uint32 masked CRC-32C of the length, the bytes, uint32 masked CRC-32C of the bytes; little-endian.
 *
 * Source: tensorflow/core/lib/io/record_writer.h and lib/hash/crc32c.h of TensorFlow.
 */
import crc32c from 'crc-32/crc32c.js';

/** Constant of `crc32c::Mask`: CRCs of data that contains CRCs are weak without a mask. */
const maskDelta = 0xa282ead8;

/** mask(crc) = ((crc >>> 15) | (crc << 17)) + 0xa282ead8, modulo 2^32. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c.buf(bytes) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + maskDelta) >>> 0;
}

/** Frames a record; the result is 16 bytes longer than `data`. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(data.length + 16);
  const view = new DataView(frame.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(frame.subarray(0, 8)), true);
  frame.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return frame;
}
