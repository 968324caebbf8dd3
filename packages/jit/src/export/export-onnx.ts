import type { Arrays, DType, Program } from '@dm/ops';
import { lowerGraph } from '../lower/lower-graph.js';
import { TraceError } from '../errors.js';
import type { Graph, TensorSpec, TensorSpecs } from '../graph/graph.js';
import { type Port, portName } from '../graph/port.js';
import { encodeModel, type OnnxModel, type OnnxNode, type OnnxTensor, type OnnxValueInfo } from '../onnx/proto.js';
import { optimize } from '../passes/pipeline.js';
import { trace } from '../trace/trace.js';
import { batchSizes, symbolicBatch } from './symbolic-batch.js';
import { simplifyModel } from './simplify-model.js';

/** An input of an exported file. */
export interface OnnxInput {
  /** `int64`, PyTorch's integer type, reaches the program as int32. */
  readonly dtype: DType | 'int64';
  /** A name instead of a number, the same for all inputs, marks a dimension that may differ from run to run. */
  readonly shape: readonly (number | string)[];
}

export interface ExportOnnxOptions {
  /** By name; the program gets them as its `inputs`. */
  readonly inputs: Readonly<Record<string, OnnxInput>>;
  /** Arrays stored in the file under these names; the program gets them in its `state` and must not change them. */
  readonly weights?: Arrays;
  /**
   * State that the caller of the file keeps between calls: inputs `state.<name>`, and outputs `next.<name>` for what
   * the program changes. A training step's parameters are such state.
   */
  readonly state?: TensorSpecs;
  /** Name of the graph. Default `program`. */
  readonly name?: string;
  /** Description of the file for people (`doc_string`). */
  readonly description?: string;
  /** Metadata for programs (`metadata_props`). */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A protobuf message, and therefore an .onnx file, must be smaller than 2 GiB. */
const LARGEST = 2 ** 31 - 1;

/** Reserved for nodes, names, and constants, in addition to the weights. */
const MARGIN = 2 ** 24;

/**
 * Exports a program as an .onnx file: IR version 10, operators of the standard opset 20 only, weights included. Inputs
 * and outputs have the names that the program uses.
 *
 *   const file = exportOnnx((weights, { x }) => ({ outputs: { y: tf.matMul(x!, weights['w']!) } }), {
 *     weights: { w: { dtype: 'float32', shape: [4, 2], data: new Float32Array(8) } },
 *     inputs: { x: { dtype: 'float32', shape: ['batch', 4] } },
 *   });
 *
 * With a named dimension, the program is lowered at two sizes of it and the two graphs are merged into one.
 * @throws {TraceError} naming the node, if the program cannot be compiled, or if its graph depends on the size of the
 *   named dimension in any way other than through shapes
 * @throws {RangeError} if the file would reach 2 GiB, or two of its values would have the same name
 */
export function exportOnnx(program: Program, options: ExportOnnxOptions): Uint8Array {
  const { weights = {}, state = {}, name = 'program', description, metadata } = options;
  checkSize(weights);
  const batch = namedDimension(options.inputs);
  const optimized = (size: number): Graph => {
    const specs = Object.entries(options.inputs).map(([key, { dtype, shape }]): [string, TensorSpec] => [
      key,
      { dtype: dtype === 'int64' ? 'int32' : dtype, shape: shape.map((dim) => (typeof dim === 'string' ? size : dim)) },
    ]);
    return optimize(trace(program, { ...specsOf(weights), ...state }, Object.fromEntries(specs), name));
  };
  const lowered = (graph: Graph): OnnxModel => lowerGraph(graph, { target: 'file' });
  const graph = optimized(batch === undefined ? 1 : batchSizes[0]);
  checkWeightsUnchanged(graph, weights);
  const model =
    batch === undefined ? lowered(graph) : symbolicBatch(lowered(graph), lowered(optimized(batchSizes[1])), batch);
  const ports = new Map([...graph.inputs, ...graph.outputs].map(({ port }) => [portName(port), port]));
  const file = withOwnNames(withWideInputs(simplifyModel(model), ports, options.inputs), ports, weights);
  const bytes = encodeModel({
    ...file,
    ...(description !== undefined && { description }),
    ...(metadata && { metadata }),
  });
  if (bytes.length > LARGEST) throw tooLarge(bytes.length);
  return bytes;
}

const specsOf = (arrays: Arrays): TensorSpecs =>
  Object.fromEntries(Object.entries(arrays).map(([name, { dtype, shape }]) => [name, { dtype, shape }]));

function checkSize(weights: Arrays): void {
  const bytes = Object.values(weights).reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes + MARGIN > LARGEST) throw tooLarge(bytes);
}

const tooLarge = (bytes: number): RangeError =>
  new RangeError(
    `An .onnx file must be smaller than 2 GiB (protobuf's limit); this one would be ${(bytes / 2 ** 30).toFixed(2)} ` +
      'GiB. External data (weights outside the file) is not supported.',
  );

function namedDimension(inputs: ExportOnnxOptions['inputs']): string | undefined {
  const names = new Set(Object.values(inputs).flatMap(({ shape }) => shape.filter((dim) => typeof dim === 'string')));
  if (names.size > 1)
    throw new RangeError(`exportOnnx: only one dimension may be named; got ${[...names].join(' and ')}`);
  return [...names][0];
}

/** Ports by their names in the model. */
type Ports = ReadonlyMap<string, Port>;

/** Casts int64 inputs to int32 at the start of the graph. */
function withWideInputs(model: OnnxModel, ports: Ports, inputs: ExportOnnxOptions['inputs']): OnnxModel {
  const wide = model.inputs.filter((info) => {
    const { kind, name } = ports.get(info.name)!;
    return kind === 'input' && inputs[name]!.dtype === 'int64';
  });
  const narrow = new Map(wide.map(({ name }) => [name, `${name}/int32`]));
  const casts = wide.map(({ name }): OnnxNode => {
    const outputs = [narrow.get(name)!];
    return { op: 'Cast', domain: '', inputs: [name], outputs, attrs: { to: { int: 6 } }, name: `${name}/Cast` };
  });
  const nodes = model.nodes.map((node) =>
    node.op === 'Shape' ? node : { ...node, inputs: node.inputs.map((name) => narrow.get(name) ?? name) },
  );
  return {
    ...model,
    nodes: [...casts, ...nodes],
    inputs: model.inputs.map((info) => (wide.includes(info) ? { ...info, type: 'int64' } : info)),
  };
}

/** Uses the program's names and includes the weights. */
function withOwnNames(model: OnnxModel, ports: Ports, weights: Arrays): OnnxModel {
  const isWeight = ({ kind, name }: Port) => kind === 'state' && Object.hasOwn(weights, name);
  const weightOf = (name: string) => {
    const port = ports.get(name)!;
    return isWeight(port) ? port.name : undefined;
  };
  const names = new Map(
    [...model.inputs, ...model.outputs].map(({ name }) => {
      const port = ports.get(name)!;
      const isOwn = port.kind === 'input' || port.kind === 'output' || isWeight(port);
      return [name, isOwn ? port.name : name];
    }),
  );
  const own = (name: string): string => names.get(name) ?? name;
  const renamed = (info: OnnxValueInfo): OnnxValueInfo => ({ ...info, name: own(info.name) });
  const file: OnnxModel = {
    ...model,
    nodes: model.nodes.map((node) => ({ ...node, inputs: node.inputs.map(own), outputs: node.outputs.map(own) })),
    initializers: [
      ...model.inputs.flatMap(({ name }) => {
        const key = weightOf(name);
        return key === undefined ? [] : [tensorOf(key, weights[key]!)];
      }),
      ...model.initializers,
    ],
    inputs: model.inputs.filter(({ name }) => weightOf(name) === undefined).map(renamed),
    outputs: model.outputs.map(renamed),
  };
  checkNames(file);
  return file;
}

function tensorOf(name: string, { dtype, shape, data }: Arrays[string]): OnnxTensor {
  return { name, type: dtype, dims: shape, raw: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** Weights stored in the file must not change. */
function checkWeightsUnchanged({ outputs }: Graph, weights: Arrays): void {
  const changed = outputs.find(({ port }) => port.kind === 'next' && Object.hasOwn(weights, port.name));
  if (changed === undefined) return;
  throw new TraceError(
    `The program changes "${changed.port.name}", which is stored in the file; pass it as \`state\`, not \`weights\`.`,
  );
}

/** Every value of a graph is defined once, so its name must be unique. */
function checkNames({ inputs, initializers, nodes }: OnnxModel): void {
  const seen = new Set<string>();
  const made = [...inputs, ...initializers].map(({ name }) => name).concat(nodes.flatMap((node) => node.outputs));
  for (const name of made) {
    if (seen.has(name))
      throw new RangeError(`exportOnnx: two values of the file would have the name "${name}"; rename one`);
    seen.add(name);
  }
}
