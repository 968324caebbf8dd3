import { type Graph, input, type Node, rewrite, sizeOf, type Value } from '../graph/graph.js';

const inputGradients = new Set(['DmConv2DGradInput', 'Conv2DBackpropInput']);
const weightGradients = new Set(['DmConv2DGradFilter', 'Conv2DBackpropFilter']);

/**
 * Makes a convolution's input gradient wait for its weight and bias gradients. The runtime would otherwise compute the
 * whole chain of input gradients first, and keep everything that the weight gradients need until the end. The input
 * gradient reads its filter through a `DmOptimizationBarrier`, which copies it. If the gradient is smaller than the
 * filter, as with few images or many channels, the memory that it saves is not worth the copy.
 */
export function scheduleWeightGradientsFirst(graph: Graph): Graph {
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const value of new Set(node.inputs)) readers.set(value, [...(readers.get(value) ?? []), node]);
  }
  const graphInputs = new Set(graph.inputs.map(({ value }) => value));
  const scheduled = new Set<Node>();
  return rewrite(graph, (node, builder) => {
    if (scheduled.has(node)) return node.outputs;
    if (!inputGradients.has(node.op)) return undefined;
    const dy = input(node, 'dy');
    const filter = input(node, 'filter');
    if (sizeOf(dy.shape) < sizeOf(filter.shape)) return undefined;
    const isAvailable = (value: Value) => graphInputs.has(value) || builder.producer(value) !== undefined;
    const others = readers
      .get(dy)!
      .filter((reader) => (weightGradients.has(reader.op) || reader.op === 'Sum') && reader.inputs.every(isAvailable));
    if (others.length === 0) return undefined;
    for (const other of others) {
      if (builder.producer(other.outputs[0]!) !== undefined) continue;
      builder.add(other);
      scheduled.add(other);
    }
    const waitsFor = others.map((other) => other.outputs[0]!);
    const [late] = builder.emit(
      {
        op: 'DmOptimizationBarrier',
        inputs: [filter, ...waitsFor],
        inputNames: ['x', ...waitsFor.map((_, i) => `after${i}`)],
        attrs: {},
        callSite: node.callSite,
        scope: node.scope,
      },
      [filter],
    );
    builder.add({ ...node, inputs: node.inputs.map((value) => (value === filter ? late! : value)) });
    return node.outputs;
  });
}
