import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * The part of the ONNX file format that this package uses, encoded with protobuf-es's wire writer. Field numbers are
 * from IR version 10 of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxType;
  readonly dims: readonly number[];
  /** Little-endian elements. */
  readonly raw: Uint8Array;
}

export type OnnxType = 'float32' | 'int32' | 'int64' | 'bool';

/** TensorProto.DataType. */
const dataType: Record<OnnxType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

export type OnnxAttr =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

export interface OnnxNode {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, OnnxAttr>>;
  readonly name: string;
}

/** A dimension is a number, or a name if it may differ from run to run. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxType;
  readonly dims: readonly (number | string)[];
}

export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly initializers: readonly OnnxTensor[];
  /** Version of each operator domain; '' is the standard domain. */
  readonly opsets: Readonly<Record<string, number>>;
  /** `doc_string`, for people. */
  readonly description?: string;
  /** `metadata_props`, for programs. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A part of a model: the types of its outputs may be left to the reader to infer. */
export interface OnnxFragment extends Omit<OnnxModel, 'outputs'> {
  readonly outputs: readonly (Pick<OnnxValueInfo, 'name'> & Partial<OnnxValueInfo>)[];
}

type Write = (writer: BinaryWriter) => void;

const message = (writer: BinaryWriter, field: number, write: Write): void => {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
};
const text = (writer: BinaryWriter, field: number, value: string): void => {
  writer.tag(field, WireType.LengthDelimited).string(value);
};
const integer = (writer: BinaryWriter, field: number, value: number): void => {
  writer.tag(field, WireType.Varint).int64(value);
};
const integers = (writer: BinaryWriter, field: number, values: readonly number[]): void => {
  for (const value of values) integer(writer, field, value);
};

function writeTensor(writer: BinaryWriter, tensor: OnnxTensor): void {
  integers(writer, 1, tensor.dims);
  integer(writer, 2, dataType[tensor.type]);
  text(writer, 8, tensor.name);
  writer.tag(9, WireType.LengthDelimited).bytes(tensor.raw);
}

function writeAttr(writer: BinaryWriter, name: string, attr: OnnxAttr): void {
  text(writer, 1, name);
  if ('float' in attr) {
    writer.tag(2, WireType.Bit32).float(attr.float);
    integer(writer, 20, 1);
  } else if ('int' in attr) {
    integer(writer, 3, attr.int);
    integer(writer, 20, 2);
  } else if ('string' in attr) {
    text(writer, 4, attr.string);
    integer(writer, 20, 3);
  } else {
    integers(writer, 8, attr.ints);
    integer(writer, 20, 7);
  }
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) text(writer, 1, input);
  for (const output of node.outputs) text(writer, 2, output);
  text(writer, 3, node.name);
  text(writer, 4, node.op);
  for (const [name, attr] of Object.entries(node.attrs)) message(writer, 5, (w) => writeAttr(w, name, attr));
  if (node.domain !== '') text(writer, 7, node.domain);
}

function writeValueInfo(writer: BinaryWriter, { name, type, dims = [] }: OnnxFragment['outputs'][number]): void {
  text(writer, 1, name);
  if (type === undefined) return;
  message(writer, 2, (value) =>
    message(value, 1, (tensor) => {
      integer(tensor, 1, dataType[type]);
      message(tensor, 2, (shape) => {
        for (const dim of dims) {
          message(shape, 1, (d) => (typeof dim === 'number' ? integer(d, 1, dim) : text(d, 2, dim)));
        }
      });
    }),
  );
}

/** Encodes a ModelProto. */
export function encodeModel(model: OnnxFragment): Uint8Array {
  const writer = new BinaryWriter();
  integer(writer, 1, 10);
  text(writer, 2, '@dm/jit');
  if (model.description !== undefined) text(writer, 6, model.description);
  message(writer, 7, (graph) => {
    for (const node of model.nodes) message(graph, 1, (w) => writeNode(w, node));
    text(graph, 2, model.name);
    for (const tensor of model.initializers) message(graph, 5, (w) => writeTensor(w, tensor));
    for (const input of model.inputs) message(graph, 11, (w) => writeValueInfo(w, input));
    for (const output of model.outputs) message(graph, 12, (w) => writeValueInfo(w, output));
  });
  for (const [domain, version] of Object.entries(model.opsets)) {
    message(writer, 8, (w) => {
      text(w, 1, domain);
      integer(w, 2, version);
    });
  }
  for (const [key, value] of Object.entries(model.metadata ?? {})) {
    message(writer, 14, (w) => {
      text(w, 1, key);
      text(w, 2, value);
    });
  }
  return writer.finish();
}
