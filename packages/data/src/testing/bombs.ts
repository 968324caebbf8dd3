/** Small files that unpack to a large amount of data. */
import { createDeflate, gzipSync } from 'node:zlib';
import crc32 from 'crc-32';

/** `count` zero bytes, deflated in chunks. */
async function deflatedZeros(count: number): Promise<Buffer> {
  const deflate = createDeflate({ level: 9 });
  const pieces: Buffer[] = [];
  deflate.on('data', (piece: Buffer) => pieces.push(piece));
  const ended = new Promise((resolve) => deflate.on('end', resolve));
  const zeros = Buffer.alloc(2 ** 20);
  for (let left = count; left > 0; left -= zeros.length) {
    if (!deflate.write(zeros.subarray(0, Math.min(left, zeros.length)))) {
      await new Promise((resolve) => deflate.once('drain', resolve));
    }
  }
  deflate.end();
  await ended;
  return Buffer.concat(pieces);
}

function pngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32.buf(chunk.subarray(4, 8 + data.length)) >>> 0, 8 + data.length);
  return chunk;
}

/** A black 8-bit gray PNG. */
export async function pngOf(width: number, height: number): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    pngChunk('IHDR', header),
    pngChunk('IDAT', await deflatedZeros(height * (1 + width))),
    pngChunk('IEND', new Uint8Array()),
  ]);
}

/** A truncated GIF of one frame. */
export function gifOf(width: number, height: number): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt16LE(width, 0);
  size.writeUInt16LE(height, 2);
  return Buffer.concat([
    Buffer.from('GIF89a'),
    size,
    Uint8Array.of(0x80, 0, 0, 1, 2, 3, 4, 5, 6, 0x2c, 0, 0, 0, 0),
    size,
    Uint8Array.of(0, 2, 2, 0x44, 1, 0, 0x3b),
  ]);
}

/** A lossless WebP of one color, up to 16383 x 16383. */
export function webpOf(width: number, height: number): Buffer {
  // Signature, width - 1 and height - 1 with 14 bits each, no alpha, version 0, no transforms; then five codes of one
  // symbol each, so that pixels take no bits.
  const bits: number[] = [];
  const put = (value: number, count: number): void => {
    for (let i = 0; i < count; i++) bits.push((value >> i) & 1);
  };
  put(width - 1, 14);
  put(height - 1, 14);
  put(0, 1 + 3 + 1 + 1 + 1);
  for (let code = 0; code < 5; code++) put(0b0001, 4);
  while (bits.length % 8 !== 0) bits.push(0);
  const packed = Array.from({ length: bits.length / 8 }, (_, i) =>
    bits.slice(8 * i, 8 * i + 8).reduce((byte, bit, at) => byte | (bit << at), 0),
  );
  const data = Buffer.from([0x2f, ...packed]);
  const even = data.length % 2 === 0 ? data : Buffer.concat([data, Uint8Array.of(0)]);
  const file = Buffer.concat([Buffer.from('RIFF    WEBPVP8L    '), even]);
  file.writeUInt32LE(file.length - 8, 4);
  file.writeUInt32LE(data.length, 16);
  return file;
}

/** A progressive 8-bit gray JPEG with `scans` scans after the first. */
export function jpegOf(side: number, scans: number): Buffer {
  const segment = (marker: number, data: readonly number[]): Buffer =>
    Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 0xff, ...data]);
  const blocks = (side / 8) ** 2;
  // The first coefficient of each block is 0, in one bit; the others are end-of-band runs of 2^14 blocks.
  const runs = blocks / 2 ** 14;
  const pass = Buffer.concat([segment(0xda, [1, 1, 0, 1, 63, 0]), Buffer.alloc(Math.ceil((runs * 15) / 8))]);
  const zeros = Array<number>(15).fill(0);
  return Buffer.concat([
    Uint8Array.of(0xff, 0xd8),
    segment(0xdb, [0, ...Array<number>(64).fill(1)]),
    segment(0xc2, [8, side >> 8, side & 0xff, side >> 8, side & 0xff, 1, 1, 0x11, 0]),
    segment(0xc4, [0, 1, ...zeros, 0]),
    segment(0xc4, [0x10, 1, ...zeros, 0xe0]),
    segment(0xda, [1, 1, 0, 0, 0, 0]),
    Buffer.alloc(blocks / 8),
    ...Array.from({ length: scans }, () => pass),
    Uint8Array.of(0xff, 0xd9),
  ]);
}

/** A gzipped idx file of zeros. */
export function gzippedIdxOf(shape: readonly number[], bytes = shape.reduce((a, b) => a * b)): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  for (const [axis, side] of shape.entries()) header.writeUInt32BE(side, 4 + 4 * axis);
  return gzipSync(Buffer.concat([header, Buffer.alloc(bytes)]));
}

/** A zip archive in which all `names` refer to the same entry. */
export function overlappingZip(names: readonly string[], entry: Uint8Array, bytes: number, crc: number): Buffer {
  const fields = (at: number, name: string): Buffer => {
    const header = Buffer.alloc(26);
    header.writeUInt16LE(20, 0);
    header.writeUInt16LE(8, 4);
    header.writeUInt32LE(crc, 10);
    header.writeUInt32LE(entry.length, 14);
    header.writeUInt32LE(bytes, 18);
    header.writeUInt16LE(name.length, 22);
    return header.subarray(0, at);
  };
  const [first = ''] = names;
  const local = Buffer.concat([Buffer.from('PK\u0003\u0004'), fields(26, first), Buffer.from(first), entry]);
  const directory = Buffer.concat(
    names.map((name) =>
      Buffer.concat([
        Buffer.from('PK\u0001\u0002'),
        Uint8Array.of(20, 0),
        fields(26, name),
        Buffer.alloc(14),
        Buffer.from(name),
      ]),
    ),
  );
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 0, 'latin1');
  end.writeUInt16LE(names.length, 8);
  end.writeUInt16LE(names.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, directory, end]);
}
