// The expected bytes are those of the messages of tensorboard 2.21, serialized by Python's protobuf.
import { expect, it } from 'vitest';
import { encodeEvent } from './event.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

it('writes the first event of a file and the start of a session', () => {
  expect(hex(encodeEvent({ wallTime: 1.5, fileVersion: 'brain.Event:2' }))).toBe(
    '09000000000000f83f1a0d627261696e2e4576656e743a32',
  );
  expect(hex(encodeEvent({ wallTime: 2.25, step: 301, sessionStart: true }))).toBe('09000000000000024010ad023a020801');
});

it('writes a scalar, an image with the size in its header, and a histogram', () => {
  // The signature and the first chunk of a PNG: 2 wide, 3 high, gray.
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452000000020000000308000000009a0a8d0e', 'hex');
  const event = encodeEvent({
    wallTime: 3,
    step: 7,
    summary: [
      { tag: 'train/loss', scalar: 0.125 },
      { tag: 'samples/grid', png },
      { tag: 'timesteps/draws', histogram: { edges: [100, 500, 1000], heights: [1, 2] } },
    ],
  });
  expect(hex(event)).toBe(
    '09000000000000084010072ab4010a110a0a747261696e2f6c6f7373150000003e' +
      '0a390a0c73616d706c65732f677269642229080310021801222189504e470d0a1a0a' +
      '0000000d49484452000000020000000308000000009a0a8d0e' +
      '0a640a0f74696d6573746570732f64726177732a51090000000000005940110000000000408f40190000000000000840' +
      '210000000000209c402900000000188a324132100000000000407f400000000000408f403a10000000000000f03f0000000000000040',
  );
});
