import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** An input or output of an .onnx file. */
export interface OnnxPort {
  readonly name: string;
  /** Element type: `float32`, `float16`, `int64`, and so on; `other` for strings, sequences, and rare types. */
  readonly dtype: string;
  /** A dimension is a number, or its name (possibly empty) if it may differ from run to run. Undefined for any rank. */
  readonly shape: readonly (number | string)[] | undefined;
}

export interface OnnxPorts {
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

/** Names of TensorProto.DataType, by number. */
const dataTypes: Readonly<Record<number, string>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
};

/** Calls `field` for each field of a message; it returns whether it has read the value, which is skipped otherwise. */
function readMessage(bytes: Uint8Array, field: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const isRead = (wireType === WireType.LengthDelimited || wireType === WireType.Varint) && field(number, reader);
    if (!isRead) reader.skip(wireType, number);
  }
}

/** Field numbers of ValueInfoProto, TypeProto, and TensorShapeProto; see proto.ts. */
function readValueInfo(bytes: Uint8Array): OnnxPort {
  let [name, dtype] = ['', 'other'];
  let shape: (number | string)[] | undefined;
  const readDimension = (dimension: Uint8Array): number | string => {
    let value: number | string = '';
    readMessage(dimension, (number, reader) => {
      if (number === 1) value = Number(reader.int64());
      else if (number === 2) value = reader.string();
      else return false;
      return true;
    });
    return value;
  };
  const readTensor = (tensor: Uint8Array) =>
    readMessage(tensor, (number, reader) => {
      if (number === 1) dtype = dataTypes[reader.int32()] ?? 'other';
      else if (number === 2) {
        const found: (number | string)[] = (shape = []);
        readMessage(reader.bytes(), (inner, dims) => {
          if (inner !== 1) return false;
          found.push(readDimension(dims.bytes()));
          return true;
        });
      } else return false;
      return true;
    });
  readMessage(bytes, (number, reader) => {
    if (number === 1) name = reader.string();
    else if (number === 2) {
      readMessage(reader.bytes(), (kind, type) => {
        if (kind !== 1) return false;
        readTensor(type.bytes());
        return true;
      });
    } else return false;
    return true;
  });
  return { name, dtype, shape };
}

/** Name of a TensorProto. Its elements are skipped. */
function readTensorName(bytes: Uint8Array): string {
  let name = '';
  readMessage(bytes, (number, reader) => {
    if (number !== 8) return false;
    name = reader.string();
    return true;
  });
  return name;
}

/** The inputs, without those that the file itself has values for, and the outputs of a valid .onnx file. */
export function readPorts(file: Uint8Array): OnnxPorts {
  const inputs: OnnxPort[] = [];
  const outputs: OnnxPort[] = [];
  const initializers = new Set<string>();
  readMessage(file, (field, reader) => {
    if (field !== 7) return false;
    readMessage(reader.bytes(), (number, graph) => {
      if (number === 5) initializers.add(readTensorName(graph.bytes()));
      else if (number === 11) inputs.push(readValueInfo(graph.bytes()));
      else if (number === 12) outputs.push(readValueInfo(graph.bytes()));
      else return false;
      return true;
    });
    return true;
  });
  return { inputs: inputs.filter(({ name }) => !initializers.has(name)), outputs };
}
