import { type Graph, type GraphBuilder, type Node, rewrite, sameShape, type Value } from '../graph/graph.js';

/**
 * Removes arithmetic that changes nothing: x · 1, x / 1, x + 0, x - 0, x ^ 1, and two negations in a row. Products with
 * 0 remain, since 0 · NaN is NaN.
 */
export function simplifyAlgebra(graph: Graph): Graph {
  return rewrite(graph, (node, builder) => {
    const same = unchanged(node, builder);
    const output = node.outputs[0]!;
    return same !== undefined && sameShape(same.shape, output.shape) && same.dtype === output.dtype
      ? [same]
      : undefined;
  });
}

function unchanged(node: Node, builder: GraphBuilder): Value | undefined {
  const [a, b] = node.inputs;
  const is = (v: Value | undefined, number: number): boolean => {
    const producer = v && builder.producer(v);
    return producer?.op === 'Const' && producer.attrs['splat'] === number;
  };
  switch (node.op) {
    case 'Multiply':
      return is(b, 1) ? a : is(a, 1) ? b : undefined;
    case 'Add':
      return is(b, 0) ? a : is(a, 0) ? b : undefined;
    case 'RealDiv':
    case 'Pow':
      return is(b, 1) ? a : undefined;
    case 'Sub':
      return is(b, 0) ? a : undefined;
    case 'Neg': {
      const inner = builder.producer(a!);
      return inner?.op === 'Neg' ? inner.inputs[0] : undefined;
    }
    default:
      return undefined;
  }
}
