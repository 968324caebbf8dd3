import type { Arrays, DType, NdArray } from '@dm/ops';
import { SafetensorsError } from './header.js';

const storedNames: Readonly<Record<DType, string>> = { float32: 'F32', int32: 'I32', bool: 'BOOL' };

/** The wider types first, so that every tensor lies on a multiple of its item size. */
const order: readonly DType[] = ['float32', 'int32', 'bool'];

/**
 * Writes a safetensors file, in the bytes that the reference library writes: metadata, then the tensors by type and
 * name, the header without blanks and padded with spaces to a multiple of 8. Equal contents give equal bytes.
 *
 * Throws a SafetensorsError on a name that a reader refuses, and where shape and data disagree.
 */
export function formatSafetensors(tensors: Arrays, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
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
  for (const [name, array] of sorted) {
    check(name, array);
    const begin = end;
    end += array.data.byteLength;
    header.push(member(name, { dtype: storedNames[array.dtype], shape: array.shape, data_offsets: [begin, end] }));
  }

  const text = new TextEncoder().encode(`{${header.join(',')}}`);
  const headerLength = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + headerLength + end);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, 8, 8 + headerLength);
  file.set(text, 8);
  let at = 8 + headerLength;
  for (const [, { dtype, data }] of sorted) {
    if (dtype === 'float32') for (let i = 0; i < data.length; i++) view.setFloat32(at + 4 * i, data[i]!, true);
    else if (dtype === 'int32') for (let i = 0; i < data.length; i++) view.setInt32(at + 4 * i, data[i]!, true);
    else file.set(data, at);
    at += data.byteLength;
  }
  return file;
}

/** One member of a JSON object. Not left to `JSON.stringify` of an object, which moves names such as "0" to the front. */
const member = (key: string, value: unknown) => `${JSON.stringify(key)}:${JSON.stringify(value)}`;

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function check(name: string, { dtype, shape, data }: NdArray): void {
  const fail = (what: string) => new SafetensorsError(`tensor ${JSON.stringify(name)}: ${what}`);
  if (name === '__metadata__' || name === '__proto__') throw fail('this name is not allowed');
  if (!Object.hasOwn(storedNames, dtype)) throw fail(`dtype ${dtype as string} cannot be written`);
  const size = shape.reduce((product, d) => product * d, 1);
  if (size !== data.length) throw fail(`${data.length} elements do not fill the shape [${shape.join(', ')}]`);
}
