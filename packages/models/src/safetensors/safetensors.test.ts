// Files as literal bytes: those that the specification requires a reader to refuse, and unusual ones that are valid.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { halfToNumber, numberToHalf } from '@dm/ops';
import { bfloatToNumber } from './dtypes.js';
import { formatSafetensors } from './format.js';
import { SafetensorsError, type SafetensorsErrorCode } from './header.js';
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
  /** Title, file, parts of the message, and the code if it is not SAFETENSORS_INVALID. */
  it.each<[string, Uint8Array, string | string[], SafetensorsErrorCode?]>([
    ['no bytes', Uint8Array.of(), '0 bytes', 'SAFETENSORS_TRUNCATED'],
    ['7 bytes', Uint8Array.of(2, 0, 0, 0, 0, 0, 0), '7 bytes', 'SAFETENSORS_TRUNCATED'],
    ['a header of 100 000 001 bytes', file('{}', [], [1, 0xe1, 0xf5, 5, 0, 0, 0, 0]), ['100000000', '100000001']],
    ['a length beyond 2^53', file('{}', [], [2, 0, 0, 0, 0, 0, 0, 128]), ['100000000', '9223372036854775810']],
    ['a length that is 2 modulo 2^32', file('{}', [], [2, 0, 0, 0, 1, 0, 0, 0]), ['100000000', '4294967298']],
    [
      'a header past the end',
      file('{}', [], [3, 0, 0, 0, 0, 0, 0, 0]),
      ['3 bytes', 'only 2', 'cut short'],
      'SAFETENSORS_TRUNCATED',
    ],
    ['an empty header', file(''), 'start with "{"'],
    ['a list', file('[]'), 'start with "{"'],
    ['blanks first', file(' {}'), 'start with "{"'],
    ['a byte order mark', file(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)), 'start with "{"'],
    ['bytes that are not UTF-8', file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x30, 0x7d)), 'UTF-8'],
    ['text that is not JSON', file('{"a":}'), 'JSON'],
    ['more after the JSON', file('{}{}'), 'JSON'],
    [
      'a name twice',
      file(`{"a":${entry('F32', '[1]', '[0,4]')},"a":${entry('F32', '[1]', '[0,4]')}}`, [0, 0, 0, 0]),
      'duplicate key "a"',
    ],
    [
      'a name twice, once escaped',
      file(`{"a":${entry('F32', '[0]', '[0,0]')},"\\u0061" :${entry('F32', '[0]', '[0,0]')}}`),
      'duplicate key "a"',
    ],
    [
      'a name twice, with a hundred blanks before its colon',
      file(`{"a":${entry('F32', '[0]', '[0,0]')},"a"${' '.repeat(100)}:${entry('F32', '[0]', '[0,0]')}}`),
      'duplicate key "a"',
    ],
    ['a deep list', file(`{"a":{"shape":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`), '16 levels'],
    ['a deep dtype', file(`{"a":{"dtype":${'{"b":'.repeat(8000)}0${'}'.repeat(8000)}}}`), '16 levels'],
    [
      'a field twice',
      file('{"a":{"dtype":"F32","shape":[0],"shape":[0],"data_offsets":[0,0]}}'),
      'duplicate key "shape"',
    ],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), 'duplicate key "__metadata__"'],
    ['an unknown dtype', file(`{"a":${entry('F33', '[0]', '[0,0]')}}`), ['tensor "a"', 'unknown dtype "F33"']],
    [
      'a dtype named like an object method',
      file(`{"a":${entry('toString', '[0]', '[0,0]')}}`),
      'unknown dtype "toString"',
    ],
    [
      'an unsupported dtype',
      file(`{"a":${entry('F8_E4M3', '[0]', '[0,0]')}}`),
      ['tensor "a"', 'F8_E4M3'],
      'SAFETENSORS_UNSUPPORTED',
    ],
    ['no dtype', file('{"a":{"shape":[0],"data_offsets":[0,0]}}'), 'unknown dtype undefined'],
    ['a tensor that is a number', file('{"a":4}'), ['tensor "a"', 'an object']],
    ['a tensor that is null', file('{"a":null}'), ['tensor "a"', 'an object']],
    ['a negative size', file(`{"a":${entry('F32', '[-1]', '[0,0]')}}`), ['tensor "a": shape', '[-1]']],
    ['a fractional size', file(`{"a":${entry('F32', '[0.5]', '[0,2]')}}`, [0, 0]), ['tensor "a": shape', '[0.5]']],
    ['a shape that is a number', file(`{"a":${entry('F32', '1', '[0,4]')}}`, [0, 0, 0, 0]), ['"a": shape', 'got 1']],
    ['one offset', file(`{"a":${entry('F32', '[0]', '[0]')}}`), ['tensor "a": data_offsets', 'got [0]']],
    ['a negative offset', file(`{"a":${entry('F32', '[0]', '[-4,0]')}}`), ['tensor "a": data_offsets', '[-4,0]']],
    ['an offset beyond 2^53', file(`{"a":${entry('F32', '[0]', '[0,9007199254740993]')}}`), '"a": data_offsets'],
    ['a product that overflows', file(`{"a":${entry('F32', '[4294967296,4294967296]', '[0,0]')}}`), 'overflows'],
    [
      'a product that overflows before a 0',
      file(`{"a":${entry('U8', '[67108864,268435456,0]', '[0,0]')}}`),
      'overflows',
    ],
    [
      'too few bytes for the shape',
      file(`{"a":${entry('F32', '[2]', '[0,4]')}}`, [0, 0, 0, 0]),
      ['tensor "a"', 'F32 [2]', '8 bytes', 'span 4'],
    ],
    [
      'too many bytes for the dtype',
      file(`{"a":${entry('F16', '[1]', '[0,4]')}}`, [0, 0, 0, 0]),
      ['tensor "a"', 'F16 [1]', '2 bytes', 'span 4'],
    ],
    [
      'begin after end',
      file(`{"a":${entry('F32', '[1]', '[4,0]')}}`, [0, 0, 0, 0]),
      ['tensor "a": data_offsets', '[4, 0]'],
    ],
    ['a gap at the start', file(`{"a":${entry('U8', '[1]', '[1,2]')}}`, [0, 0]), ['bytes 0 to 1', 'tensor "a"']],
    [
      'a gap between tensors',
      file(`{"a":${entry('U8', '[1]', '[0,1]')},"b":${entry('U8', '[1]', '[2,3]')}}`, [0, 0, 0]),
      ['bytes 1 to 2', 'tensor "b"'],
    ],
    [
      'an overlap',
      file(`{"a":${entry('U8', '[2]', '[0,2]')},"b":${entry('U8', '[2]', '[1,3]')}}`, [0, 0, 0]),
      ['tensor "b"', 'byte 1', 'overlaps'],
    ],
    [
      'the same bytes twice',
      file(`{"a":${entry('U8', '[1]', '[0,1]')},"b":${entry('U8', '[1]', '[0,1]')}}`, [0]),
      'overlaps',
    ],
    ['trailing bytes', file(one, [0, 0, 0, 0, 0]), '1 unexpected bytes'],
    ['bytes without a tensor', file('{}', [0]), '1 unexpected bytes'],
    ['data cut short', file(one, [0, 0, 0]), ['tensor "a"', 'byte 4', 'only 3', 'cut short'], 'SAFETENSORS_TRUNCATED'],
    ['metadata that is a list', file('{"__metadata__":["a"]}'), '__metadata__'],
    ['metadata with a number', file('{"__metadata__":{"a":1}}'), '__metadata__'],
    ['metadata that is null', file('{"__metadata__":null}'), '__metadata__'],
    ['metadata with the key __proto__', file('{"__metadata__":{"__proto__":"x"}}'), '"__proto__"'],
    ['a tensor with the name __proto__', file(`{"__proto__":${entry('F32', '[0]', '[0,0]')}}`), 'tensor "__proto__"'],
    ['a boolean of 2', file(`{"a":${entry('BOOL', '[1]', '[0,1]')}}`, [2]), ['"a": element 0', 'BOOL', 'got 2']],
    [
      'an I64 beyond int32',
      file(`{"a":${entry('I64', '[1]', '[0,8]')}}`, [0, 0, 0, 128, 0, 0, 0, 0]),
      ['"a": element 0', '2147483648', 'int32'],
    ],
    [
      'a U64 that a float cannot represent',
      file(`{"a":${entry('U64', '[1]', '[0,8]')}}`, [1, 0, 0, 0, 0, 0, 0, 128]),
      ['"a": element 0', 'int32'],
    ],
  ])('%s', (_, bytes, contains, code = 'SAFETENSORS_INVALID') => {
    expect(() => parseSafetensors(bytes)).toThrowWith({ type: SafetensorsError, code, contains });
  });

  it('a file that is cut short anywhere; a file with a flipped bit is read or refused', () => {
    const whole = readFileSync(new URL('../fixtures/plain.safetensors', import.meta.url));
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseSafetensors(whole.subarray(0, length)), `${length} bytes`).toThrow(SafetensorsError);
    }
    // With any byte changed, the file is either read or refused with a SafetensorsError.
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
  it('no tensors, empty tensors, scalars, NaN, whitespace after the JSON', () => {
    expect(parseSafetensors(file('{}')).tensors).toEqual({});
    const header = `{"e":${entry('F32', '[0,3]', '[0,0]')},"s":${entry('F32', '[]', '[0,4]')}}   `;
    const { tensors } = parseSafetensors(file(header, [0, 0, 0xc0, 0x7f]));
    expect(tensors['e']).toEqual({ dtype: 'float32', shape: [0, 3], data: new Float32Array(0) });
    expect(tensors['s']).toEqual({ dtype: 'float32', shape: [], data: Float32Array.of(NaN) });
  });

  it('views at any offset, whose bytes are copied', () => {
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
  it('reads each dtype, and lists the conversions', () => {
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
    const contents = [
      ['BF16 to float32'],
      ['F16 to float32'],
      ['F64 to float32', '1 values', 'infinite'],
      ['I64 to int32'],
    ];
    const sorted = notes.toSorted();
    expect(sorted).toHaveLength(contents.length);
    for (const [i, parts] of contents.entries()) {
      for (const part of parts) expect(sorted[i]).toContain(part);
    }
  });

  it('are written byte for byte', () => {
    const plain = readFileSync(new URL('../fixtures/plain.safetensors', import.meta.url));
    const { tensors, metadata } = parseSafetensors(plain);
    expect(formatSafetensors(tensors, metadata)).toEqual(Uint8Array.from(plain));
    const reversed = Object.fromEntries(Object.entries(tensors).toReversed());
    expect(formatSafetensors(reversed, metadata)).toEqual(Uint8Array.from(plain));
  });
});

it('converts all half-precision numbers like an independent definition', () => {
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

  it('pads the file to a multiple of 8 bytes', () => {
    for (const name of ['a', 'ab', 'abc', 'abcd', 'abcde']) {
      expect(formatSafetensors({ [name]: a }).length % 8).toBe(0);
    }
  });

  it('refuses tensors that readers refuse', () => {
    expect(() => formatSafetensors({ __metadata__: a })).toThrowWith({
      type: SafetensorsError,
      contains: 'tensor "__metadata__"',
    });
    expect(() => formatSafetensors({ a: { ...a, shape: [3] } })).toThrowWith({
      type: SafetensorsError,
      contains: ['tensor "a"', '[3]', 'got 2'],
    });
  });
});

describe('float16', () => {
  it('every number is written as it is read', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = halfToNumber(bits);
      if (!Number.isNaN(value) && numberToHalf(value) !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
    expect(halfToNumber(numberToHalf(NaN))).toBeNaN();
  });

  // numpy.float16(numpy.float32(x)) of NumPy 2.4
  it.each([
    [0.1, 0.0999755859375],
    [-0.3333333, -0.333251953125],
    [1e-8, 0],
    [3e-8, 5.960464477539063e-8],
    [6.1e-5, 6.097555160522461e-5],
    [6.2e-5, 6.198883056640625e-5],
    [1234.567, 1235],
    [2049, 2048],
    [2051, 2052],
    [65519, 65504],
  ])('rounds %s to %s, as NumPy', (value, expected) => {
    expect(halfToNumber(numberToHalf(value))).toBe(expected);
  });

  it('files are half as large, and are read as float32', () => {
    const a = { dtype: 'float32', shape: [3], data: Float32Array.of(1, 0.1, -2) } as const;
    const b = { dtype: 'bool', shape: [1], data: Uint8Array.of(1) } as const;
    const { tensors, notes } = parseSafetensors(formatSafetensors({ b, a }, {}, { floats: 'float16' }));
    expect(tensors).toEqual({ a: { ...a, data: Float32Array.of(1, 0.0999755859375, -2) }, b });
    expect(notes).toEqual([expect.stringMatching(/^1 .*F16/)]);
    const large = { a: { ...a, data: Float32Array.of(1, 7e4, 0) } };
    expect(() => formatSafetensors(large, {}, { floats: 'float16' })).toThrowWith({
      type: SafetensorsError,
      contains: ['tensor "a"', '70000', 'float16'],
    });
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
    [
      'a missing file',
      index({ ...map, d: 'x-3.safetensors' }),
      { code: 'SAFETENSORS_SHARD_MISSING', contains: 'x-3.safetensors' },
    ],
    ['a missing tensor', index({ ...map, d: 'x-1.safetensors' }), { contains: 'x-1.safetensors lacks d' }],
    [
      'a tensor in another file',
      index({ ...map, c: 'x-1.safetensors' }),
      { contains: ['x-1.safetensors lacks c', 'x-2.safetensors has c'] },
    ],
    ['a path', index({ a: '../x.safetensors' }), { contains: '"../x.safetensors"' }],
    ['a parent folder', index({ a: '..' }), { contains: '".."' }],
    ['no map', '{}', { contains: 'weight_map' }],
    ['text that is not JSON', 'x', { contains: 'JSON' }],
  ])('with %s are refused', (_, text, expected) => {
    expect(() => parseShards(text, files)).toThrowWith({
      type: SafetensorsError,
      code: 'SAFETENSORS_INVALID',
      ...expected,
    });
  });
});
