import { halfToNumber } from '@dm/ops';
import { DataError } from '../errors.js';

// NumPy's format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Own implementation because
// npyjs 1.2.0 does not check the shape against the number of bytes, and aligns the data to 8 bytes instead of 64.

export type NpyData =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export interface NpyArray {
  /** [] is a scalar. */
  readonly shape: readonly number[];
  /** Elements in C order (last index fastest). float16 is read as float32. */
  readonly data: NpyData;
  /** Set for NumPy's bool, whose `data` is a Uint8Array of 0 and 1; any other type follows from `data`. */
  readonly isBool?: true;
  /** Set for float16, whose `data` is a Float32Array. Written as float32. */
  readonly isHalf?: true;
}

type Constructor = { new (buffer: ArrayBuffer): NpyData; readonly BYTES_PER_ELEMENT: number; readonly name: string };

/** Little-endian types; Node runs on little-endian machines. */
const TYPES: Readonly<Record<string, Constructor>> = {
  '|i1': Int8Array,
  '|u1': Uint8Array,
  '<i2': Int16Array,
  '<u2': Uint16Array,
  '<i4': Int32Array,
  '<u4': Uint32Array,
  '<i8': BigInt64Array,
  '<u8': BigUint64Array,
  '<f2': Uint16Array,
  '<f4': Float32Array,
  '<f8': Float64Array,
  '|b1': Uint8Array,
};
const BOOL = '|b1';
/** float16, which JavaScript has no array of: stored as Uint16Array, and converted to float32 when it is parsed. */
const HALF = '<f2';
const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const ALIGNMENT = 64;
/** NumPy's `max_header_size`; headers written here have 128 bytes. */
const MAX_HEADER_BYTES = 10_000;
/** NumPy's maximum. */
const MAX_DIMENSIONS = 64;
/** A field of the header, a Python dictionary with three keys in any order. Python 2 wrote long integers, such as 3L. */
const FIELD = /'(descr|fortran_order|shape)'\s*:\s*(?:'([^']*)'|(True|False)|\(([\d\sL,]*)\))/g;
const HEADER = new RegExp(String.raw`^\{\s*(?:${FIELD.source}\s*(?:,\s*|(?=\}))){3}\}\s*$`);

/** Header of a .npy file. */
export interface NpyHeader {
  readonly descr: string;
  readonly type: Constructor;
  /** As in `NpyArray`. */
  readonly isBool?: true;
  readonly shape: readonly number[];
  /** Position of the first element. */
  readonly dataStart: number;
}

/** Number of bytes needed to determine the header size. */
export const NPY_PREFIX_BYTES = 12;

/**
 * Parses a .npy file; `source` names it in errors.
 * @throws {DataError} if it is damaged, or not little-endian in C order
 */
export function parseNpy(bytes: Uint8Array, source: string): NpyArray {
  const { descr, type, isBool, shape, dataStart } = parseNpyHeader(bytes, source);
  const expected = elements(shape) * type.BYTES_PER_ELEMENT;
  if (bytes.length - dataStart !== expected) {
    throw new DataError(
      `${source}: ${descr} [${shape.join(', ')}] needs ${expected} bytes, but ${bytes.length - dataStart} follow the header.`,
      { code: 'DATA_CORRUPT' },
    );
  }
  // Copied: a typed array must start at a multiple of its item size, and `bytes` may be a view of a larger buffer. By a
  // constructor, since slice() of a Node Buffer does not copy.
  const data = new type(new Uint8Array(bytes.subarray(dataStart)).buffer);
  if (descr === HALF) return { shape, data: floatsFromHalves(data as Uint16Array), isHalf: true };
  // NumPy treats every non-zero byte as true.
  return isBool ? { shape, data: (data as Uint8Array).map((byte) => Number(byte !== 0)), isBool } : { shape, data };
}

/**
 * Position of the first element, from the first `NPY_PREFIX_BYTES` bytes.
 * @throws {DataError} if it is not a .npy file
 */
export function npyHeaderBytes(bytes: Uint8Array, source: string): number {
  if (bytes.length < NPY_PREFIX_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new DataError(`${source}: not a .npy file.`);
  }
  const major = bytes[6]!;
  if (major < 1 || major > 3) {
    throw new DataError(`${source}: .npy version ${major}.${bytes[7]}; versions 1 to 3 are supported.`, {
      code: 'DATA_UNSUPPORTED',
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dataStart = major === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
  if (dataStart > MAX_HEADER_BYTES) {
    throw new DataError(
      `${source}: the header has ${dataStart} bytes; at most ${MAX_HEADER_BYTES} are accepted, as in NumPy.`,
      {
        code: 'DATA_UNSUPPORTED',
      },
    );
  }
  return dataStart;
}

/**
 * Parses the header of a .npy file from its first bytes.
 * @throws {DataError} if the header is truncated, malformed, or unsupported
 */
export function parseNpyHeader(bytes: Uint8Array, source: string): NpyHeader {
  const dataStart = npyHeaderBytes(bytes, source);
  if (dataStart > bytes.length)
    throw new DataError(`${source}: truncated within the header.`, { code: 'DATA_CORRUPT' });
  const text = new TextDecoder('latin1').decode(bytes.subarray(bytes[6] === 1 ? 10 : 12, dataStart));
  const quoted = text.replaceAll('"', "'");
  const fields = HEADER.test(quoted) ? [...quoted.matchAll(FIELD)] : [];
  const valueOf = (name: string, group: number) => fields.find(([, key]) => key === name)?.[group];
  const [given, fortran, dims] = [valueOf('descr', 2), valueOf('fortran_order', 3), valueOf('shape', 4)];
  if (given === undefined || fortran === undefined || dims === undefined) {
    throw new DataError(`${source}: malformed header: ${JSON.stringify(text.slice(0, 120))}.`);
  }
  // One byte has no order, but some programs write one.
  const descr = given.replace(/^[<>=|]?([iub]1)$/, '|$1');
  const type = Object.hasOwn(TYPES, descr) ? TYPES[descr] : undefined;
  if (!type) {
    throw new DataError(`${source}: type '${given}' is not supported; supported: ${Object.keys(TYPES).join(' ')}.`, {
      code: 'DATA_UNSUPPORTED',
    });
  }
  const shape = parseShape(dims, source);
  if (fortran === 'True' && shape.filter((side) => side > 1).length > 1) {
    throw new DataError(`${source}: Fortran order is not supported; use numpy.ascontiguousarray before saving.`, {
      code: 'DATA_UNSUPPORTED',
    });
  }
  return { descr, type, shape, dataStart, ...(descr === BOOL && { isBool: true }) };
}

/** float32 of each of the 2^16 float16 numbers. */
let halves: Float32Array | undefined;

/** Converts the bits of float16 numbers to float32. */
export function floatsFromHalves(bits: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, i) => halfToNumber(i));
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = halves[bits[i]!]!;
  return out;
}

/**
 * The bytes of a .npy file, version 1.
 * @throws {RangeError} if the shape does not fit the data, or bool data has values other than 0 and 1
 */
export function formatNpy(array: NpyArray): Uint8Array {
  const { shape, data } = array;
  if (shape.some((side) => !Number.isSafeInteger(side) || side < 0) || elements(shape) !== data.length) {
    throw new RangeError(`npy: shape [${shape.join(', ')}] does not fit ${data.length} numbers.`);
  }
  const isBool = array.isBool === true;
  if (isBool && !(data instanceof Uint8Array && data.every((value) => value <= 1))) {
    throw new RangeError('npy: bool data must be a Uint8Array of 0 and 1.');
  }
  const descr = isBool ? BOOL : Object.entries(TYPES).find(([name, type]) => name !== HALF && data instanceof type)![0];
  // Python's 1-tuples have a comma: (3,).
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const prefix = MAGIC.length + 4;
  const dataStart = Math.ceil((prefix + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(dataStart + data.byteLength);
  bytes.set(MAGIC);
  bytes.set([1, 0], MAGIC.length);
  new DataView(bytes.buffer).setUint16(MAGIC.length + 2, dataStart - prefix, true);
  bytes.set(new TextEncoder().encode(`${text.padEnd(dataStart - prefix - 1)}\n`), prefix);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataStart);
  return bytes;
}

function parseShape(dims: string, source: string): number[] {
  const parts = dims.split(',').map((part) => part.trim().replace(/L$/, ''));
  // (3,) and () end in an empty part; (3) is a number in Python, not a tuple.
  if (parts.at(-1) === '') parts.pop();
  else if (parts.length === 1) throw new DataError(`${source}: shape (${dims}) is not a tuple.`);
  const shape = parts.map(Number);
  if (
    parts.includes('') ||
    shape.length > MAX_DIMENSIONS ||
    shape.some((side) => !Number.isSafeInteger(side)) ||
    !Number.isSafeInteger(elements(shape))
  ) {
    throw new DataError(`${source}: malformed shape (${dims}).`);
  }
  return shape;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
