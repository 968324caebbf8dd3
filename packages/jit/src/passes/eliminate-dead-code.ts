import type { Graph, Node, Value } from '../graph/graph.js';

/** Drops nodes that no output depends on. */
export function eliminateDeadCode(graph: Graph): Graph {
  const live = new Set<Value>(graph.outputs.map((o) => o.value));
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((v) => live.has(v))) continue;
    kept.push(node);
    for (const v of node.inputs) live.add(v);
  }
  return { ...graph, nodes: kept.toReversed() };
}
