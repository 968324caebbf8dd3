import type { Graph, Node, Value } from '../graph.js';

/** Drops nodes that no output depends on. */
export function deadCode(graph: Graph): Graph {
  const needed = new Set<Value>(graph.outputs.map((o) => o.value));
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((v) => needed.has(v))) continue;
    kept.push(node);
    for (const v of node.inputs) needed.add(v);
  }
  return { ...graph, nodes: kept.toReversed() };
}
