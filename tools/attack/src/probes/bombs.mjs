// Decompression bombs: small files that decode to gigabytes.
import { constants, deflateRawSync, gzipSync } from 'node:zlib';

const piece = 2 ** 26;

/**
 * A gzip file of `head`, followed by `pieces` times 64 MiB of zeros.
 *
 * @param {Uint8Array} head
 * @param {number} pieces
 */
export function gzipBomb(head, pieces) {
  const zeros = gzipSync(Buffer.alloc(piece), { level: 9 });
  return Buffer.concat([gzipSync(head), ...Array.from({ length: pieces }, () => zeros)]);
}

/** A zip archive with one member: `head`, followed by `pieces` times 64 MiB of zeros. */
/** @param {string} name @param {Uint8Array} head @param {number} pieces */
export function zipBomb(name, head, pieces) {
  const flush = { finishFlush: constants.Z_FULL_FLUSH, level: 9 };
  const zeros = deflateRawSync(Buffer.alloc(piece), flush);
  const parts = [deflateRawSync(head, flush), ...Array.from({ length: pieces }, () => zeros), deflateRawSync('')];
  return zipOf(name, Buffer.concat(parts), head.length + pieces * piece, 8);
}

/** A zip archive with one member. */
/** @param {string} name @param {Uint8Array} data @param {number} size uncompressed @param {0 | 8} method */
function zipOf(name, data, size, method) {
  const nameBytes = Buffer.from(name);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt32LE(0, 10);
  fields.writeUInt32LE(data.length, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(nameBytes.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, nameBytes, data]);
  const madeBy = Buffer.from([20, 0]);
  const central = Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), madeBy, fields, Buffer.alloc(14), nameBytes]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

/** A truncated GIF whose header announces `side` x `side` pixels of one color. @param {number} side */
export function gifBomb(side) {
  const size = Buffer.alloc(4);
  size.writeUInt16LE(side, 0);
  size.writeUInt16LE(side, 2);
  return Buffer.concat([
    Buffer.from('GIF89a'),
    size,
    Buffer.from([0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2c, 0, 0, 0, 0]),
    size,
    Buffer.from([0, 2, 2, 0x4c, 1, 0, 0x3b]),
  ]);
}

/** A PNG whose header announces `side` x `side` pixels, with the start of its data. @param {number} side */
export function pngBomb(side) {
  const chunk = (/** @type {string} */ type, /** @type {Buffer} */ data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(checksum(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const data = gzipSync(Buffer.alloc(2 ** 20)).subarray(10, -8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]),
    chunk('IHDR', header),
    chunk('IDAT', Buffer.concat([Buffer.from([0x78, 0xda]), data])),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A lossless WebP of `side` x `side` pixels of one color; side is at most 16,383. @param {number} side */
export function webpBomb(side) {
  // Signature, 14 bits each of width - 1 and height - 1, no transforms, no color cache, five one-symbol prefix codes.
  const bits = (side - 1) | ((side - 1) << 14);
  const payload = Buffer.alloc(18);
  payload[0] = 0x2f;
  payload.writeInt32LE(bits, 1);
  payload.set([0x88, 0x88, 0x08], 5);
  const head = Buffer.alloc(20);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(12 + payload.length, 4);
  head.write('WEBPVP8L', 8, 'latin1');
  head.writeUInt32LE(payload.length, 16);
  return Buffer.concat([head, payload]);
}

/** A .npy header for uint8 data of this shape, without data. @param {string} shape */
export function npyHeader(shape) {
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117) + '\n';
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([text.length, 0]), Buffer.from(text)]);
}

/** CRC-32, as used by PNG. @param {Uint8Array} bytes */
function checksum(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
