import { contentKey } from '../graph/content-key.js';
import { type Graph, type Node, rewrite, type Value } from '../graph/graph.js';

/** Replaces a kernel call by an earlier call with the same inputs, attributes, and precision. */
export function commonSubexpressions(graph: Graph): Graph {
  const known = new Map<string, readonly Value[]>();
  return rewrite(graph, (node) => {
    const key = keyOf(node);
    if (key === undefined) return undefined;
    const earlier = known.get(key);
    if (earlier === undefined) known.set(key, node.outputs);
    return earlier;
  });
}

// Large constants are seldom equal and are costly to compare.
function keyOf(node: Node): string | undefined {
  const { data } = node.attrs as { data?: ArrayLike<number> };
  if (data !== undefined && data.length > 256) return undefined;
  const inputs = node.inputs.map((v, i) => `${node.inputNames[i]}:${v.id}`);
  const { shape, dtype } = node.outputs[0]!;
  return contentKey([node.op, inputs, node.attrs, node.op === 'Const' ? [shape, dtype] : null, node.precision ?? null]);
}
