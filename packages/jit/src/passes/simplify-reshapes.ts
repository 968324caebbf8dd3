import { type Graph, rewrite, sameShape } from '../graph/graph.js';

const reshaping = new Set(['Reshape', 'ExpandDims']);

/** Removes Identity, and casts and reshapes to a value's own type or shape; merges chains of reshapes. */
export function simplifyReshapes(graph: Graph): Graph {
  return rewrite(graph, (node, builder) => {
    const x = node.inputs[0]!;
    const output = node.outputs[0];
    if (node.op === 'Identity') return [x];
    if (node.op === 'Cast' && x.dtype === output!.dtype) return [x];
    if (node.op === 'Transpose' && (node.attrs['perm'] as number[]).every((axis, i) => axis === i)) return [x];
    if (!reshaping.has(node.op)) return undefined;
    if (sameShape(x.shape, output!.shape)) return [x];
    let source = x;
    for (
      let from = builder.producer(x);
      from !== undefined && reshaping.has(from.op);
      from = builder.producer(source)
    ) {
      source = from.inputs[0]!;
    }
    if (source === x) return undefined;
    if (sameShape(source.shape, output!.shape)) return [source];
    const attrs = { shape: output!.shape };
    const call = {
      op: 'Reshape',
      inputs: [source],
      inputNames: ['x'],
      attrs,
      callSite: node.callSite,
      scope: node.scope,
    };
    return builder.emit(call, [output!]);
  });
}
