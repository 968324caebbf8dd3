import type { NdArray } from '@dm/ops';
import { storedTypes } from './dtypes.js';
import { parseHeader, SafetensorsError, type TensorEntry } from './header.js';

/** The contents of a safetensors file. */
export interface SafetensorsFile {
  /** In the order of their offsets. */
  readonly tensors: Record<string, NdArray>;
  readonly metadata: Readonly<Record<string, string>>;
  /** One note per dtype that was converted, such as `3 tensors were converted from F16 to float32`. */
  readonly notes: readonly string[];
}

/**
 * Parses a safetensors file (https://github.com/huggingface/safetensors). Tensors are copied: `bytes` may be an
 * unaligned view, and may be reused afterwards. Floats are converted to float32, integers to int32, and BOOL to bool;
 * `notes` lists the conversions.
 * @throws {SafetensorsError} if the file violates the format, has an unsupported dtype, or has an integer that int32
 *   cannot represent
 */
export function parseSafetensors(bytes: Uint8Array): SafetensorsFile {
  const { entries, metadata, dataStart } = parseHeader(bytes);
  const data = new DataView(bytes.buffer, bytes.byteOffset + dataStart, bytes.length - dataStart);
  const converted = new Map<string, { count: number; infinite: number }>();
  const tensors: [string, NdArray][] = [];
  for (const entry of entries) {
    const { array, infinite } = readTensor(data, entry);
    tensors.push([entry.name, array]);
    if (isNative(entry.dtype)) continue;
    const so = converted.get(entry.dtype) ?? { count: 0, infinite: 0 };
    converted.set(entry.dtype, { count: so.count + 1, infinite: so.infinite + infinite });
  }
  const notes = Array.from(converted, ([dtype, { count, infinite }]) => {
    const overflow = infinite > 0 ? `; ${infinite} values out of range became infinite` : '';
    return `${count} ${count === 1 ? 'tensor was' : 'tensors were'} converted from ${dtype} to ${storedTypes[dtype]!.to}${overflow}`;
  });
  return { tensors: Object.fromEntries(tensors), metadata, notes };
}

const isNative = (dtype: string) => dtype === 'F32' || dtype === 'I32' || dtype === 'BOOL';

function readTensor(view: DataView, entry: TensorEntry): { array: NdArray; infinite: number } {
  const { name, dtype, shape, begin, end } = entry;
  const { bytes, to, read, exact } = storedTypes[dtype]!;
  const count = (end - begin) / bytes;
  const fail = (what: string) => new SafetensorsError(`tensor ${JSON.stringify(name)}: ${what}`);
  if (to === 'float32') {
    const data = new Float32Array(count);
    let infinite = 0;
    for (let i = 0; i < count; i++) {
      const value = read(view, begin + i * bytes);
      data[i] = value;
      if (!exact && Number.isFinite(value) && !Number.isFinite(data[i])) infinite++;
    }
    return { array: { dtype: to, shape, data }, infinite };
  }
  const data = to === 'bool' ? new Uint8Array(count) : new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const value = read(view, begin + i * bytes);
    data[i] = value;
    if (data[i] !== value) throw fail(`element ${i} is ${value}, which int32 cannot represent`);
    if (to === 'bool' && value > 1) throw fail(`element ${i} of a BOOL tensor must be 0 or 1, got ${value}`);
  }
  return { array: { dtype: to, shape, data }, infinite: 0 };
}
