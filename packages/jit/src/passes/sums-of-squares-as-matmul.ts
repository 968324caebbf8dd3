import { type Attrs, type Graph, type GraphBuilder, type Node, rewrite, sizeOf, type Value } from '../graph/graph.js';

/** Maximum number of rows, each multiplied with itself: enough rows for all threads, each of them long. */
const MAX_ROWS = 64;

/**
 * Computes the sum of the squares of a vector (the norm of a gradient) as products of its rows with themselves. It
 * takes one pass over the vector, without writing the squares, and accumulates in many registers, which is more exact
 * than the runtime's ReduceSum.
 */
export function sumsOfSquaresAsMatmul(graph: Graph): Graph {
  return rewrite(graph, (node, builder) => {
    const x = squared(node, builder);
    if (x === undefined) return undefined;
    const rows = rowsOf(x.shape[0]!);
    const { callSite, scope } = node;
    const emit = (op: string, inputs: Readonly<Record<string, Value>>, attrs: Attrs, shape: number[]) =>
      builder.emit({ op, inputs: Object.values(inputs), inputNames: Object.keys(inputs), attrs, callSite, scope }, [
        { shape, dtype: 'float32' },
      ])[0]!;
    const shape = [rows, 1, x.shape[0]! / rows];
    const matrices = emit('Reshape', { x }, { shape }, shape);
    const products = emit('BatchMatMul', { a: matrices, b: matrices }, { transposeB: true }, [rows, 1, 1]);
    const flat = emit('Reshape', { x: products }, { shape: [rows] }, [rows]);
    builder.add({ ...node, inputs: [flat] });
    return node.outputs;
  });
}

/** Returns x if a node sums all squares of a vector x. */
function squared(node: Node, builder: GraphBuilder): Value | undefined {
  const made = node.op === 'Sum' ? builder.producer(node.inputs[0]!) : undefined;
  const x = made?.op === 'Square' ? made.inputs[0]! : undefined;
  return x?.shape.length === 1 && x.shape[0]! > 0 && x.dtype === 'float32' && sizeOf(node.outputs[0]!.shape) === 1
    ? x
    : undefined;
}

/** The largest power of two, at most MAX_ROWS, that divides `length`. */
function rowsOf(length: number): number {
  let rows = 1;
  while (rows < MAX_ROWS && length % (2 * rows) === 0) rows *= 2;
  return rows;
}
