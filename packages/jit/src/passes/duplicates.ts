import { contentKey } from '../content-key.js';
import { type Graph, type Node, rewrite, type Value } from '../graph.js';

/** Common subexpressions: a kernel call equal to an earlier one (same inputs and attributes) becomes that one. */
export function duplicates(graph: Graph): Graph {
  const seen = new Map<string, readonly Value[]>();
  return rewrite(graph, (node) => {
    const key = keyOf(node);
    if (key === undefined) return undefined;
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, node.outputs);
    return earlier;
  });
}

// Large constants are seldom equal and costly to compare.
function keyOf(node: Node): string | undefined {
  const { data } = node.attrs as { data?: ArrayLike<number> };
  if (data !== undefined && data.length > 256) return undefined;
  const inputs = node.inputs.map((v, i) => `${node.names[i]}:${v.id}`);
  const { shape, dtype } = node.outputs[0]!;
  return contentKey([node.op, inputs, node.attrs, node.op === 'Const' ? [shape, dtype] : null]);
}
