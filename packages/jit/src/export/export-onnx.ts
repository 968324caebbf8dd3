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

/** An input of a file. */
export interface OnnxInput {
  /** `int64`, what PyTorch has for integers, reaches the program as int32. */
  readonly dtype: DType | 'int64';
  /** A name in place of a number, the same in all inputs, is a dimension that may differ from run to run. */
  readonly shape: readonly (number | string)[];
}

export interface ExportOnnxOptions {
  /** By name; the program gets them as its `inputs`. */
  readonly inputs: Readonly<Record<string, OnnxInput>>;
  /** Arrays that the file holds, under these names; the program gets them in its `state` and must not change them. */
  readonly weights?: Arrays;
  /**
   * State that whoever runs the file keeps between calls: inputs `state.<name>`, and outputs `next.<name>` of what the
   * program changes. A training step has its parameters here.
   */
  readonly state?: TensorSpecs;
  /** Of the graph. Default `program`. */
  readonly name?: string;
  /** What the file says of itself to people. */
  readonly description?: string;
  /** What it says to programs (`metadata_props`). */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A protobuf message, and so an .onnx file, must be smaller than 2 GiB. */
const LARGEST = 2 ** 31 - 1;

/** Room for nodes, names and the constants of lowerings, beside the weights. */
const MARGIN = 2 ** 24;

/**
 * A program as an .onnx file: IR version 10, operators of the standard opset 20 only, weights inside. Inputs and outputs
 * have the names that the program has for them.
 *
 *   const file = exportOnnx((weights, { x }) => ({ outputs: { y: tf.matMul(x!, weights['w']!) } }), {
 *     weights: { w: { dtype: 'float32', shape: [4, 2], data: new Float32Array(8) } },
 *     inputs: { x: { dtype: 'float32', shape: ['batch', 4] } },
 *   });
 *
 * With a named dimension the program is lowered at two sizes of it and the two graphs are made one. Throws a TraceError
 * that names the node where the program cannot be compiled or cannot be written for every size (its graph depends on
 * the size otherwise than through shapes), and a RangeError where the file would reach 2 GiB or two of its values would
 * have one name.
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
  const lowered = (graph: Graph): OnnxModel => lowerGraph(graph, { portable: true });
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
    `An .onnx file must be smaller than 2 GiB (protobuf's limit); this one would have ${(bytes / 2 ** 30).toFixed(2)} ` +
      'GiB. Weights outside the file (external data) are not written.',
  );

function namedDimension(inputs: ExportOnnxOptions['inputs']): string | undefined {
  const names = new Set(Object.values(inputs).flatMap(({ shape }) => shape.filter((dim) => typeof dim === 'string')));
  if (names.size > 1)
    throw new RangeError(`exportOnnx: one dimension may have a name, not ${[...names].join(' and ')}`);
  return [...names][0];
}

/** By their names in the model. */
type Ports = ReadonlyMap<string, Port>;

/** int64 inputs are cast at the start. */
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

/** Names as the program has them, weights inside. */
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

/** What the file holds stays as it is. */
function checkWeightsUnchanged({ outputs }: Graph, weights: Arrays): void {
  const changed = outputs.find(({ port }) => port.kind === 'next' && Object.hasOwn(weights, port.name));
  if (changed === undefined) return;
  throw new TraceError(
    `The program changes "${changed.port.name}", which the file holds; hand it over as \`state\`, not \`weights\`.`,
  );
}

/** A value of a graph is made once, so its name must be its own. */
function checkNames({ inputs, initializers, nodes }: OnnxModel): void {
  const seen = new Set<string>();
  const made = [...inputs, ...initializers].map(({ name }) => name).concat(nodes.flatMap((node) => node.outputs));
  for (const name of made) {
    if (seen.has(name))
      throw new RangeError(`exportOnnx: two values of the file would be called "${name}"; rename one`);
    seen.add(name);
  }
}
