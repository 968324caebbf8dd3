import { expect, it } from 'vitest';
import { frameRecord, maskedCrc32c } from './tfrecord.js';

// Of the CRCs in RFC 3720, B.4, masked by tensorboard 2.21 (`masked_crc32c`).
it.each([
  ['nothing', new Uint8Array(0), 0xa282ead8],
  ['"123456789"', new TextEncoder().encode('123456789'), 0xc78ab0e5],
  ['32 zeros', new Uint8Array(32), 0x0fd7fffa],
  ['32 times 255', new Uint8Array(32).fill(255), 0xf909b029],
  ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x951f7892],
])('sums %s', (_, bytes, sum) => {
  expect(maskedCrc32c(bytes)).toBe(sum);
});

it("frames a record as tensorboard's RecordWriter does", () => {
  expect(Buffer.from(frameRecord(new TextEncoder().encode('diffusion'))).toString('hex')).toBe(
    '090000000000000037f97139646966667573696f6e8e09f174',
  );
});
