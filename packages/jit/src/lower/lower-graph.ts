import type { DType } from '@dm/ops';
import { withKernelErrors } from '../errors.js';
import type { Graph, PortValue } from '../graph/graph.js';
import { portName } from '../graph/port.js';
import { kernels } from './index.js';
import { LoweringContext, type LowerOptions } from './context.js';
import type { OnnxModel, OnnxNode } from '../onnx/proto.js';

/**
 * Lowers a traced graph to an ONNX model. Inputs that the outputs do not depend on are dropped. Inputs and outputs are
 * named by `portName` and keep their shapes and row-major layout.
 */
export function lowerGraph(graph: Graph, options: LowerOptions = {}): OnnxModel {
  const ctx = new LoweringContext(options);
  for (const { port, value } of graph.inputs) ctx.set(value, portName(port));
  for (const node of graph.nodes) {
    ctx.onnx.scope = node.scope === undefined || node.scope === '' ? node.op : `${node.scope}/${node.op}`;
    ctx.precision = node.precision ?? 'f32';
    withKernelErrors(node, () => kernels[node.op]!.lower(node, ctx));
  }
  const sources = graph.outputs.map(({ port, value }) => ({
    name: portName(port),
    source: ctx.get(value),
    dtype: value.dtype,
  }));

  const copied = options.target === 'gpu' ? copyOnDevice(sources, graph.inputs, ctx) : sources;
  const { nodes, initializers, ...model } = ctx.model(graph.name);
  const { kept, used } = liveNodes(
    nameOutputs(nodes, copied),
    graph.outputs.map(({ port }) => portName(port)),
  );
  const info = ({ port, value }: PortValue) => ({ name: portName(port), type: value.dtype, dims: value.shape });
  return {
    ...model,
    nodes: kept,
    initializers: initializers.filter(({ name }) => used.has(name)),
    inputs: graph.inputs.filter(({ port }) => used.has(portName(port))).map(info),
    outputs: graph.outputs.map(info),
  };
}

interface NamedOutput {
  readonly name: string;
  readonly source: string;
  readonly dtype: DType;
}

/** Operators whose result shares memory with their input, unless it is an output. */
const copying = new Set(['Reshape', 'Identity']);

/**
 * Makes a kernel write each output that the runtime would otherwise copy from another tensor: graph capture records
 * kernels only, so a replay would leave the output as it was. The kernel is a `Where` with one value for both cases, or
 * for booleans, which devices cannot select, two `Not`: the runtime does not recognize them as copies. Of constants it
 * would compute them when it opens the session; there, the condition is computed from an input.
 */
function copyOnDevice(
  outputs: readonly NamedOutput[],
  inputs: readonly PortValue[],
  ctx: LoweringContext,
): readonly NamedOutput[] {
  const { onnx } = ctx;
  const always = onnx.constant('bool', [], Uint8Array.of(1));
  const changing = new Set(inputs.map(({ port }) => portName(port)));
  const written = new Set<string>();
  for (const { op, inputs: operands, outputs: made } of onnx.nodes) {
    if (!operands.some((operand) => changing.has(operand))) continue;
    for (const name of made) changing.add(name);
    if (!copying.has(op)) for (const name of made) written.add(name);
  }
  const number = inputs.find(({ value }) => value.dtype !== 'bool');
  const never = () => {
    const [start, end] = [onnx.ints([0]), onnx.ints([1])];
    const flat = ctx.reshape(portName(number!.port), [-1]);
    const first = ctx.reshape(onnx.op('Slice', [flat, start, end, start]), []);
    return onnx.op('Less', [first, first]);
  };
  const copyOf = (from: string, dtype: DType) => {
    const isConstant = !changing.has(from) && number !== undefined;
    if (dtype !== 'bool') return onnx.op('Where', [isConstant ? never() : always, from, from]);
    return isConstant ? onnx.op('And', [from, onnx.op('Not', [never()])]) : onnx.op('Not', [onnx.op('Not', [from])]);
  };
  const latest = new Map<string, string>();
  return outputs.map(({ name, source, dtype }) => {
    const from = latest.get(source) ?? source;
    onnx.scope = `output/${name}`;
    const own = from === source && written.delete(source) ? source : copyOf(from, dtype);
    changing.add(own);
    latest.set(source, own);
    return { name, source: own, dtype };
  });
}

/**
 * The nodes that the outputs depend on. A lowering may emit more than is used, such as the mean of a norm without a
 * gradient; the runtime would compute it, and do so last.
 */
export function liveNodes(nodes: readonly OnnxNode[], outputs: readonly string[]) {
  const used = new Set(outputs);
  const kept: OnnxNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => used.has(output))) continue;
    kept.push(node);
    for (const input of node.inputs) used.add(input);
  }
  return { kept: kept.toReversed(), used };
}

/**
 * Gives values the names by which the graph's caller knows them. The node that computes a value writes the output
 * directly, and other nodes read it there. A value that is already an input, constant, or output is copied.
 */
function nameOutputs(nodes: readonly OnnxNode[], outputs: readonly NamedOutput[]): OnnxNode[] {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const names = new Map<string, string>();
  const copies: OnnxNode[] = [];
  for (const { name, source } of outputs) {
    if (made.has(source) && !names.has(source)) names.set(source, name);
    else {
      const copy = { op: 'Identity', domain: '', outputs: [name], attrs: {}, name: `output/${name}` };
      copies.push({ ...copy, inputs: [source] });
    }
  }
  const now = (name: string) => names.get(name) ?? name;
  return [...nodes, ...copies].map((node) => ({
    ...node,
    inputs: node.inputs.map(now),
    outputs: node.outputs.map(now),
  }));
}
