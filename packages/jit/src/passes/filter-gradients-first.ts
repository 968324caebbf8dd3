import { arg, type Graph, type Node, rewrite, type Value } from '../graph.js';

const gradInputs = new Set(['DmConv2DGradInput', 'Conv2DBackpropInput']);
const gradFilters = new Set(['DmConv2DGradFilter', 'Conv2DBackpropFilter']);

/**
 * Lets the gradient of a convolution by its image wait for those by its filter and bias. The runtime would go down the
 * chain of images first and keep everything that the filters' gradients need until its end. What waits is the filter
 * that the former reads, by way of `DmAfter`, which copies it: small beside the images.
 */
export function filterGradientsFirst(graph: Graph): Graph {
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const value of new Set(node.inputs)) readers.set(value, [...(readers.get(value) ?? []), node]);
  }
  const given = new Set(graph.inputs.map(({ value }) => value));
  const moved = new Set<Node>();
  return rewrite(graph, (node, builder) => {
    if (moved.has(node)) return node.outputs;
    if (!gradInputs.has(node.op)) return undefined;
    const dy = arg(node, 'dy');
    const filter = arg(node, 'filter');
    const isKnown = (value: Value) => given.has(value) || builder.producer(value) !== undefined;
    const others = readers
      .get(dy)!
      .filter((reader) => (gradFilters.has(reader.op) || reader.op === 'Sum') && reader.inputs.every(isKnown));
    if (others.length === 0) return undefined;
    for (const other of others) {
      if (builder.producer(other.outputs[0]!) !== undefined) continue;
      builder.add(other);
      moved.add(other);
    }
    const waitsFor = others.map((other) => other.outputs[0]!);
    const [late] = builder.emit(
      {
        op: 'DmAfter',
        inputs: [filter, ...waitsFor],
        names: ['x', ...waitsFor.map((_, i) => `after${i}`)],
        attrs: {},
        where: node.where,
        scope: node.scope,
      },
      [filter],
    );
    builder.add({ ...node, inputs: node.inputs.map((value) => (value === filter ? late! : value)) });
    return node.outputs;
  });
}
