import { numberToHalf, type Arrays, type DType, type NdArray } from '@dm/ops';
import { SafetensorsError } from './header.js';

/** Types of tensors in a file; float32 may be rounded to float16. */
type FileType = DType | 'float16';

const storedNames: Readonly<Record<FileType, string>> = { float32: 'F32', int32: 'I32', float16: 'F16', bool: 'BOOL' };

const itemBytes: Readonly<Record<FileType, number>> = { float32: 4, int32: 4, float16: 2, bool: 1 };

/** Wider types come first, so that every tensor is aligned to its item size. */
const order: readonly FileType[] = ['float32', 'int32', 'float16', 'bool'];

/** The properties of a tensor that the header needs. */
interface Described extends Pick<NdArray, 'shape'> {
  readonly dtype: FileType;
}

export interface SafetensorsOptions {
  /** How float32 tensors are stored; float16 rounds to the nearest, ties to even. Default: float32. */
  readonly floats?: 'float32' | 'float16';
}

/**
 * Serializes tensors as a safetensors file, byte for byte as the reference library does: tensors are sorted by type and
 * name, and the header has no whitespace except for padding to a multiple of 8 bytes. Equal contents give equal bytes.
 * @throws {SafetensorsError} if a name or dtype is not allowed, if shape and data are inconsistent, or if a finite value
 *   is out of the range of float16 and `floats` asks for it
 */
export function formatSafetensors(
  tensors: Arrays,
  metadata: Readonly<Record<string, string>> = {},
  { floats = 'float32' }: SafetensorsOptions = {},
): Uint8Array {
  for (const [name, array] of Object.entries(tensors)) checkSize(name, array);
  const typeOf = ({ dtype }: NdArray): FileType => (dtype === 'float32' ? floats : dtype);
  const described = Object.entries(tensors).map(([name, array]) => {
    return [name, { dtype: typeOf(array), shape: array.shape }] as const;
  });
  const { bytes: header, order: names } = safetensorsHeader(Object.fromEntries(described), metadata);
  const bytesOf = (array: NdArray): number => itemBytes[typeOf(array)] * array.data.length;
  const file = new Uint8Array(names.reduce((bytes, name) => bytes + bytesOf(tensors[name]!), header.length));
  const view = new DataView(file.buffer);
  file.set(header);
  let at = header.length;
  for (const name of names) {
    const { data } = tensors[name]!;
    const dtype = typeOf(tensors[name]!);
    if (dtype === 'float32') for (let i = 0; i < data.length; i++) view.setFloat32(at + 4 * i, data[i]!, true);
    else if (dtype === 'int32') for (let i = 0; i < data.length; i++) view.setInt32(at + 4 * i, data[i]!, true);
    else if (dtype === 'float16')
      for (let i = 0; i < data.length; i++) view.setUint16(at + 2 * i, half(name, data[i]!), true);
    else file.set(data, at);
    at += bytesOf(tensors[name]!);
  }
  return file;
}

/** @throws {SafetensorsError} if a finite value would become infinite */
function half(name: string, value: number): number {
  if (Number.isFinite(value) && Math.abs(value) >= 65520)
    throw failure(name, `${value} is out of the range of float16`);
  return numberToHalf(value);
}

/**
 * Returns the bytes of the header, and the order in which the tensors' little-endian data must follow it. For writing
 * large files piece by piece.
 * @throws {SafetensorsError} if a name or dtype is not allowed
 */
export function safetensorsHeader(
  tensors: Readonly<Record<string, Described>>,
  metadata: Readonly<Record<string, string>> = {},
): { readonly bytes: Uint8Array; readonly order: readonly string[] } {
  const sorted = Object.entries(tensors).toSorted(
    ([a, { dtype: ofA }], [b, { dtype: ofB }]) => order.indexOf(ofA) - order.indexOf(ofB) || compare(a, b),
  );
  const header: string[] = [];
  if (Object.keys(metadata).length > 0) {
    header.push(
      `"__metadata__":{${Object.keys(metadata)
        .toSorted(compare)
        .map((k) => member(k, metadata[k]))
        .join(',')}}`,
    );
  }
  let end = 0;
  for (const [name, { dtype, shape }] of sorted) {
    checkName(name, dtype);
    const begin = end;
    end += itemBytes[dtype] * elements(shape);
    header.push(member(name, { dtype: storedNames[dtype], shape, data_offsets: [begin, end] }));
  }

  const text = new TextEncoder().encode(`{${header.join(',')}}`);
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return { bytes, order: sorted.map(([name]) => name) };
}

/** One member of a JSON object. (`JSON.stringify` of an object would move keys such as "0" to the front.) */
const member = (key: string, value: unknown) => `${JSON.stringify(key)}:${JSON.stringify(value)}`;

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const elements = (shape: readonly number[]) => shape.reduce((product, d) => product * d, 1);

const failure = (name: string, what: string) => new SafetensorsError(`tensor ${JSON.stringify(name)}: ${what}`);

function checkName(name: string, dtype: FileType): void {
  if (name === '__metadata__' || name === '__proto__') throw failure(name, 'this name is not allowed');
  if (!Object.hasOwn(storedNames, dtype)) throw failure(name, `dtype ${dtype as string} cannot be written`);
}

function checkSize(name: string, { shape, data }: NdArray): void {
  if (elements(shape) !== data.length) {
    throw failure(name, `the shape [${shape.join(', ')}] requires ${elements(shape)} elements, got ${data.length}`);
  }
}
