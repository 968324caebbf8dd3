import { halfToNumber, type DType } from '@dm/ops';

/** How to read a dtype of the safetensors format. */
export interface StoredType {
  /** Bytes of one element. */
  readonly bytes: number;
  readonly to: DType;
  readonly read: (view: DataView, at: number) => number;
  /** Whether `to` represents all values exactly. */
  readonly exact: boolean;
}

const int = (bytes: number, read: StoredType['read']): StoredType => ({ bytes, to: 'int32', read, exact: true });
const wideInt = (bytes: number, read: StoredType['read']): StoredType => ({ bytes, to: 'int32', read, exact: false });

/** The supported dtypes of the specification. U32, I64 and U64 values are refused if int32 cannot represent them. */
export const storedTypes: Readonly<Record<string, StoredType>> = {
  F32: { bytes: 4, to: 'float32', read: (view, at) => view.getFloat32(at, true), exact: true },
  F64: { bytes: 8, to: 'float32', read: (view, at) => view.getFloat64(at, true), exact: false },
  F16: { bytes: 2, to: 'float32', read: (view, at) => halfToNumber(view.getUint16(at, true)), exact: true },
  BF16: { bytes: 2, to: 'float32', read: (view, at) => bfloatToNumber(view.getUint16(at, true)), exact: true },
  BOOL: { bytes: 1, to: 'bool', read: (view, at) => view.getUint8(at), exact: true },
  I8: int(1, (view, at) => view.getInt8(at)),
  U8: int(1, (view, at) => view.getUint8(at)),
  I16: int(2, (view, at) => view.getInt16(at, true)),
  U16: int(2, (view, at) => view.getUint16(at, true)),
  I32: int(4, (view, at) => view.getInt32(at, true)),
  U32: wideInt(4, (view, at) => view.getUint32(at, true)),
  I64: wideInt(8, (view, at) => Number(view.getBigInt64(at, true))),
  U64: wideInt(8, (view, at) => Number(view.getBigUint64(at, true))),
};

/** Unsupported dtypes of the specification. */
export const unreadTypes: readonly string[] = ['F4', 'F6_E2M3', 'F6_E3M2', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'C64'];

const word = new DataView(new ArrayBuffer(4));

/** Converts the bits of a bfloat16 number, which are the upper half of a float32. */
export function bfloatToNumber(bits: number): number {
  word.setUint32(0, bits * 0x10000);
  return word.getFloat32(0);
}
