import type { Arrays } from '@dm/ops';
import { EngineError } from '../errors.js';
import { type ConstData, type Graph, type Node, rewrite, sizeOf, type Value } from '../graph/graph.js';

/** Bytes of constants that fit into a model: a protobuf message ends at 2 GiB, and 16 MiB are left for the nodes. */
const MOST_BYTES = 2 ** 31 - 2 ** 24;

/** Kernels that leave the elements and their order as they are. */
const reshaping = new Set(['Reshape', 'ExpandDims', 'Identity']);

/**
 * Replaces the state by constants with these values, and the weights into which a vector is split by parts of its array.
 * Nothing is copied: the arrays must not change until the graph has been encoded.
 * @throws {EngineError} if the values that the graph uses are larger than a model can be
 */
export function freezeState(graph: Graph, values: Arrays): Graph {
  const used = new Set([...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ value }) => value)]);
  const state = graph.inputs.filter(({ port, value }) => port.kind === 'state' && used.has(value));
  const bytes = state.reduce((sum, { port }) => sum + values[port.name]!.data.byteLength, 0);
  if (bytes > MOST_BYTES) {
    throw new EngineError(
      'RUNTIME_FAILED',
      `${graph.name}: values of ${Math.ceil(bytes / 2 ** 20)} MiB cannot be compiled in, as a model ends at 2 GiB; ` +
        'compile the program without frozenState',
    );
  }
  const constants = new Map<Value, ConstData>();
  const constant = (value: Value, data: ConstData): Node => {
    constants.set(value, data);
    return { op: 'Const', inputs: [], inputNames: [], attrs: { data }, outputs: [value] };
  };
  const constantsOfState = state.map(({ port, value }) => constant(value, values[port.name]!.data));
  const inputs = graph.inputs.filter(({ port }) => port.kind !== 'state');
  return rewrite({ ...graph, inputs, nodes: [...constantsOfState, ...graph.nodes] }, (node, builder) => {
    const data = node.inputs.length === 0 ? undefined : constants.get(node.inputs[0]!);
    const parts = data && partsOf(node, data);
    if (parts === undefined) return undefined;
    for (const [i, value] of node.outputs.entries()) builder.add(constant(value, parts[i]!));
    return node.outputs;
  });
}

/** The elements of each output of a kernel that only divides or reshapes `data`; undefined for other kernels. */
function partsOf({ op, inputs, outputs }: Node, data: ConstData): readonly ConstData[] | undefined {
  if (reshaping.has(op)) return [data];
  if (op !== 'SplitV' || inputs[0]!.shape.length !== 1) return undefined;
  let end = 0;
  return outputs.map(({ shape }) => data.subarray(end, (end += sizeOf(shape))));
}
