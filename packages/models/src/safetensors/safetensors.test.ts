// Files as literal bytes: what the specification says a reader must refuse, and what it must not.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bfloatToNumber, halfToNumber } from './dtypes.js';
import { formatSafetensors } from './format.js';
import { SafetensorsError } from './header.js';
import { parseSafetensors } from './parse.js';
import { parseShards, shardNames } from './shards.js';

const encode = (text: string) => new TextEncoder().encode(text);

/** Header length in 8 bytes, header, data. */
function file(header: string | Uint8Array, data: readonly number[] = [], length?: readonly number[]): Uint8Array {
  const text = typeof header === 'string' ? encode(header) : header;
  const size = length ?? [text.length & 255, text.length >> 8, 0, 0, 0, 0, 0, 0];
  return Uint8Array.of(...size, ...text, ...data);
}

const one = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
const entry = (dtype: string, shape: string, offsets: string) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

describe('refused', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['no bytes', Uint8Array.of(), /has 0 bytes; the length of the header alone takes 8/],
    ['7 bytes', Uint8Array.of(2, 0, 0, 0, 0, 0, 0), /has 7 bytes/],
    [
      'a header of 100 000 001 bytes',
      file('{}', [], [1, 0xe1, 0xf5, 5, 0, 0, 0, 0]),
      /100000001 bytes long; at most 100000000/,
    ],
    ['a length beyond 2^53', file('{}', [], [2, 0, 0, 0, 0, 0, 0, 128]), /9223372036854775810 bytes long; at most/],
    ['a length that is 2 modulo 2^32', file('{}', [], [2, 0, 0, 0, 1, 0, 0, 0]), /4294967298 bytes long; at most/],
    ['a header past the end', file('{}', [], [3, 0, 0, 0, 0, 0, 0, 0]), /3 bytes long, but only 2 follow/],
    ['an empty header', file(''), /does not start with "\{"/],
    ['a list', file('[]'), /does not start with "\{"/],
    ['blanks first', file(' {}'), /does not start with "\{"/],
    ['a byte order mark', file(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)), /does not start with "\{"/],
    ['bytes that are not UTF-8', file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x30, 0x7d)), /not UTF-8/],
    ['text that is not JSON', file('{"a":}'), /not JSON/],
    ['more after the JSON', file('{}{}'), /not JSON/],
    [
      'a name twice',
      file(`{"a":${entry('F32', '[1]', '[0,4]')},"a":${entry('F32', '[1]', '[0,4]')}}`, [0, 0, 0, 0]),
      /key "a" twice/,
    ],
    [
      'a name twice, once escaped',
      file(`{"a":${entry('F32', '[0]', '[0,0]')},"\\u0061" :${entry('F32', '[0]', '[0,0]')}}`),
      /key "a" twice/,
    ],
    [
      'a name twice, with a hundred blanks before its colon',
      file(`{"a":${entry('F32', '[0]', '[0,0]')},"a"${' '.repeat(100)}:${entry('F32', '[0]', '[0,0]')}}`),
      /key "a" twice/,
    ],
    ['a deep list', file(`{"a":{"shape":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`), /nested more than 16 levels/],
    ['a deep dtype', file(`{"a":{"dtype":${'{"b":'.repeat(8000)}0${'}'.repeat(8000)}}}`), /nested more than 16 levels/],
    ['a field twice', file('{"a":{"dtype":"F32","shape":[0],"shape":[0],"data_offsets":[0,0]}}'), /key "shape" twice/],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), /key "__metadata__" twice/],
    ['an unknown dtype', file(`{"a":${entry('F33', '[0]', '[0,0]')}}`), /"a": unknown dtype "F33"/],
    [
      'a dtype named like an object method',
      file(`{"a":${entry('toString', '[0]', '[0,0]')}}`),
      /unknown dtype "toString"/,
    ],
    [
      'a dtype that has no counterpart',
      file(`{"a":${entry('F8_E4M3', '[0]', '[0,0]')}}`),
      /dtype F8_E4M3 cannot be read here/,
    ],
    ['no dtype', file('{"a":{"shape":[0],"data_offsets":[0,0]}}'), /unknown dtype undefined/],
    ['a tensor that is a number', file('{"a":4}'), /not an object/],
    ['a tensor that is null', file('{"a":null}'), /not an object/],
    ['a negative size', file(`{"a":${entry('F32', '[-1]', '[0,0]')}}`), /shape \[-1\] is not a list of integers/],
    ['a fractional size', file(`{"a":${entry('F32', '[0.5]', '[0,2]')}}`, [0, 0]), /shape \[0.5\] is not a list/],
    ['a shape that is a number', file(`{"a":${entry('F32', '1', '[0,4]')}}`, [0, 0, 0, 0]), /shape 1 is not a list/],
    ['one offset', file(`{"a":${entry('F32', '[0]', '[0]')}}`), /data_offsets \[0\] are not two integers/],
    ['a negative offset', file(`{"a":${entry('F32', '[0]', '[-4,0]')}}`), /data_offsets \[-4,0\] are not two/],
    ['an offset beyond 2^53', file(`{"a":${entry('F32', '[0]', '[0,9007199254740993]')}}`), /are not two integers/],
    ['a product that overflows', file(`{"a":${entry('F32', '[4294967296,4294967296]', '[0,0]')}}`), /overflows/],
    [
      'a product that overflows before a 0',
      file(`{"a":${entry('U8', '[67108864,268435456,0]', '[0,0]')}}`),
      /overflows/,
    ],
    [
      'too few bytes for the shape',
      file(`{"a":${entry('F32', '[2]', '[0,4]')}}`, [0, 0, 0, 0]),
      /F32 \[2\] takes 8 bytes, but its data_offsets span 4/,
    ],
    [
      'too many bytes for the dtype',
      file(`{"a":${entry('F16', '[1]', '[0,4]')}}`, [0, 0, 0, 0]),
      /F16 \[1\] takes 2 bytes/,
    ],
    [
      'begin after end',
      file(`{"a":${entry('F32', '[1]', '[4,0]')}}`, [0, 0, 0, 0]),
      /begin at 4, after their end at 0/,
    ],
    [
      'a hole at the start',
      file(`{"a":${entry('U8', '[1]', '[1,2]')}}`, [0, 0]),
      /bytes 0 to 1 of the data, before tensor "a"/,
    ],
    [
      'a hole between',
      file(`{"a":${entry('U8', '[1]', '[0,1]')},"b":${entry('U8', '[1]', '[2,3]')}}`, [0, 0, 0]),
      /bytes 1 to 2 .* before tensor "b"/,
    ],
    [
      'an overlap',
      file(`{"a":${entry('U8', '[2]', '[0,2]')},"b":${entry('U8', '[2]', '[1,3]')}}`, [0, 0, 0]),
      /"b" begins at byte 1 of the data and overlaps/,
    ],
    [
      'the same bytes twice',
      file(`{"a":${entry('U8', '[1]', '[0,1]')},"b":${entry('U8', '[1]', '[0,1]')}}`, [0]),
      /overlaps/,
    ],
    ['trailing bytes', file(one, [0, 0, 0, 0, 0]), /1 bytes follow the last tensor/],
    ['bytes without a tensor', file('{}', [0]), /1 bytes follow/],
    ['data cut short', file(one, [0, 0, 0]), /"a" ends at byte 4 of the data, but there are only 3/],
    ['metadata that is a list', file('{"__metadata__":["a"]}'), /must map strings to strings/],
    ['metadata with a number', file('{"__metadata__":{"a":1}}'), /must map strings to strings/],
    ['metadata that is null', file('{"__metadata__":null}'), /must map strings to strings/],
    ['metadata with the key __proto__', file('{"__metadata__":{"__proto__":"x"}}'), /key "__proto__"/],
    [
      'a tensor with the name __proto__',
      file(`{"__proto__":${entry('F32', '[0]', '[0,0]')}}`),
      /"__proto__": this name is not allowed/,
    ],
    ['a boolean of 2', file(`{"a":${entry('BOOL', '[1]', '[0,1]')}}`, [2]), /element 0 is 2; BOOL has 0 and 1/],
    [
      'an I64 beyond int32',
      file(`{"a":${entry('I64', '[1]', '[0,8]')}}`, [0, 0, 0, 128, 0, 0, 0, 0]),
      /element 0 is 2147483648, which int32/,
    ],
    [
      'a U64 that a float cannot hold',
      file(`{"a":${entry('U64', '[1]', '[0,8]')}}`, [1, 0, 0, 0, 0, 0, 0, 128]),
      /which int32 does not hold/,
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => parseSafetensors(bytes)).toThrow(message);
    expect(() => parseSafetensors(bytes)).toThrow(SafetensorsError);
  });

  it('a file cut anywhere; and a file with any bit changed is read or refused', () => {
    const whole = readFileSync(new URL('../fixtures/plain.safetensors', import.meta.url));
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseSafetensors(whole.subarray(0, length)), `${length} bytes`).toThrow(SafetensorsError);
    }
    // Whatever a changed byte makes of the header, nothing but our own error comes out.
    const outcomes = Array.from(whole, (_, at) => {
      const changed = Uint8Array.from(whole);
      changed[at]! ^= 1 << (at % 8);
      try {
        parseSafetensors(changed);
        return 'read';
      } catch (error) {
        return error instanceof SafetensorsError ? 'refused' : error;
      }
    });
    expect(new Set(outcomes)).toEqual(new Set(['read', 'refused']));
  });
});

describe('allowed', () => {
  it('no tensors, empty tensors, scalars, NaN, blanks after the JSON', () => {
    expect(parseSafetensors(file('{}')).tensors).toEqual({});
    const header = `{"e":${entry('F32', '[0,3]', '[0,0]')},"s":${entry('F32', '[]', '[0,4]')}}   `;
    const { tensors } = parseSafetensors(file(header, [0, 0, 0xc0, 0x7f]));
    expect(tensors['e']).toEqual({ dtype: 'float32', shape: [0, 3], data: new Float32Array(0) });
    expect(tensors['s']).toEqual({ dtype: 'float32', shape: [], data: Float32Array.of(NaN) });
  });

  it('views at any offset, whose bytes are not kept', () => {
    const bytes = file(one, [0, 0, 0x80, 0x3f]);
    for (const offset of [1, 2, 3]) {
      const larger = new Uint8Array(bytes.length + 8);
      larger.set(bytes, offset);
      const { tensors } = parseSafetensors(larger.subarray(offset, offset + bytes.length));
      larger.fill(0);
      expect(tensors['a']!.data).toEqual(Float32Array.of(1));
    }
  });

  it('text in keys that looks like JSON', () => {
    const { metadata } = parseSafetensors(file('{"__metadata__":{"a\\":{":"}\\"","b":"b\\\\"}}'));
    expect(metadata).toEqual({ 'a":{': '}"', b: 'b\\' });
  });
});

describe("files of Hugging Face's library", () => {
  it('reads each kind, and says what was converted', () => {
    const { tensors, metadata, notes } = parseSafetensors(
      readFileSync(new URL('../fixtures/kinds.safetensors', import.meta.url)),
    );
    const values = (name: string) => Array.from(tensors[name]!.data);
    expect(values('half')).toEqual([1.5, -0, Infinity, NaN, 2 ** -24, 65504]);
    expect(values('brain')).toEqual([1.5, -2, Infinity, 3.3895313892515355e38]);
    expect(values('double')).toEqual([Math.fround(0.1), Infinity, -0]);
    expect(tensors['long']).toEqual({
      dtype: 'int32',
      shape: [2, 2],
      data: Int32Array.of(1, -2, 2 ** 31 - 1, -(2 ** 31)),
    });
    expect(tensors['bool']).toEqual({ dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) });
    expect(tensors['scalar']).toEqual({ dtype: 'float32', shape: [], data: Float32Array.of(2.5) });
    expect(metadata).toEqual({ format: 'pt' });
    expect(notes.toSorted()).toEqual([
      '1 tensor was converted from BF16 to float32',
      '1 tensor was converted from F16 to float32',
      '1 tensor was converted from F64 to float32; 1 values beyond its range became infinite',
      '1 tensor was converted from I64 to int32',
    ]);
  });

  it('are written byte for byte', () => {
    const plain = readFileSync(new URL('../fixtures/plain.safetensors', import.meta.url));
    const { tensors, metadata } = parseSafetensors(plain);
    expect(formatSafetensors(tensors, metadata)).toEqual(Uint8Array.from(plain));
    const reversed = Object.fromEntries(Object.entries(tensors).toReversed());
    expect(formatSafetensors(reversed, metadata)).toEqual(Uint8Array.from(plain));
  });
});

it('converts all half floats as two independent definitions say', () => {
  for (let bits = 0; bits < 0x8000; bits++) {
    const [exponent, fraction] = [bits >> 10, bits & 1023];
    const wanted =
      exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : Number(`${exponent === 0 ? fraction : 1024 + fraction}`) * 2 ** (Math.max(exponent, 1) - 25);
    expect(halfToNumber(bits)).toBe(wanted);
    expect(halfToNumber(bits | 0x8000)).toBe(-wanted);
  }
  expect(bfloatToNumber(0x3fc0)).toBe(1.5);
});

describe('writing', () => {
  const a = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } as const;

  it('keeps names that look like numbers in order', () => {
    const names = ['10', '9', 'b', '01'];
    const bytes = formatSafetensors(Object.fromEntries(names.map((name) => [name, a])));
    const header = new TextDecoder().decode(bytes.subarray(8, 8 + bytes[0]!));
    expect([...header.matchAll(/"([^"]+)":\{"dtype/g)].map((match) => match[1])).toEqual(names.toSorted());
    expect(Object.keys(parseSafetensors(bytes).tensors).toSorted()).toEqual(names.toSorted());
  });

  it('puts the data on a multiple of 8', () => {
    for (const name of ['a', 'ab', 'abc', 'abcd', 'abcde']) {
      expect(formatSafetensors({ [name]: a }).length % 8).toBe(0);
    }
  });

  it('refuses what no reader takes', () => {
    expect(() => formatSafetensors({ __metadata__: a })).toThrow(/"__metadata__": this name is not allowed/);
    expect(() => formatSafetensors({ a: { ...a, shape: [3] } })).toThrow(/2 elements do not fill the shape \[3\]/);
  });
});

describe('shards', () => {
  const a = { dtype: 'float32', shape: [1], data: Float32Array.of(1) } as const;
  const files = { 'x-1.safetensors': formatSafetensors({ a }), 'x-2.safetensors': formatSafetensors({ b: a, c: a }) };
  const index = (map: unknown) => JSON.stringify({ metadata: { total_size: 12 }, weight_map: map });
  const map = { a: 'x-1.safetensors', b: 'x-2.safetensors', c: 'x-2.safetensors' };

  it('are joined', () => {
    expect(shardNames(index(map))).toEqual(['x-1.safetensors', 'x-2.safetensors']);
    expect(parseShards(index(map), files).tensors).toEqual({ a, b: a, c: a });
  });

  it.each([
    ['a missing file', index({ ...map, d: 'x-3.safetensors' }), /x-3.safetensors, which is missing/],
    ['a missing tensor', index({ ...map, d: 'x-1.safetensors' }), /x-1.safetensors lacks d/],
    ['a tensor elsewhere', index({ ...map, c: 'x-1.safetensors' }), /x-1.safetensors lacks c; x-2.safetensors holds c/],
    ['a path', index({ a: '../x.safetensors' }), /not a plain file name/],
    ['a hidden file', index({ a: '..' }), /not a plain file name/],
    ['no map', '{}', /no weight_map/],
    ['no JSON', 'x', /not JSON/],
  ])('with %s are refused', (_, text, message) => {
    expect(() => parseShards(text, files)).toThrow(message);
  });
});
