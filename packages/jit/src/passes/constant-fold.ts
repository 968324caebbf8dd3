import { type Graph, type Node, rewrite, type Value } from '../graph/graph.js';
import { filledWith } from '../lower/context.js';

type Fold = (values: readonly number[], node: Node) => number;

const bit = (condition: boolean): number => (condition ? 1 : 0);

/** The result of each kernel on repeated-number constants. */
const folds: Readonly<Record<string, Fold>> = {
  Abs: ([x]) => Math.abs(x!),
  Add: ([a, b]) => a! + b!,
  Cast: ([x], node) => castTo(node.outputs[0]!.dtype, x!),
  Exp: ([x]) => Math.exp(x!),
  Greater: ([a, b]) => bit(a! > b!),
  GreaterEqual: ([a, b]) => bit(a! >= b!),
  Less: ([a, b]) => bit(a! < b!),
  LessEqual: ([a, b]) => bit(a! <= b!),
  Log: ([x]) => Math.log(x!),
  Maximum: ([a, b]) => Math.max(a!, b!),
  Minimum: ([a, b]) => Math.min(a!, b!),
  Multiply: ([a, b]) => a! * b!,
  Neg: ([x]) => -x!,
  Pow: ([a, b]) => a! ** b!,
  RealDiv: ([a, b]) => a! / b!,
  Reciprocal: ([x]) => 1 / x!,
  Rsqrt: ([x]) => 1 / Math.sqrt(x!),
  Sqrt: ([x]) => Math.sqrt(x!),
  Square: ([x]) => x! * x!,
  Sub: ([a, b]) => a! - b!,
};

/** Kernels that only move elements: a repeated-number constant remains one. */
const moves = new Set(['Reshape', 'ExpandDims', 'Identity', 'Transpose', 'Tile', 'BroadcastTo', 'Slice', 'Reverse']);

function castTo(dtype: Value['dtype'], x: number): number {
  if (dtype === 'bool') return bit(x !== 0);
  return dtype === 'int32' ? Math.trunc(x) : x;
}

/**
 * Computes at compile time whatever depends on repeated-number constants only: the ones, zeros, and scale factors from
 * which a gradient tape starts. Arithmetic is rounded to float32, as in the kernels. Constant tables are left to the
 * runtime, which folds them when it loads the graph.
 */
export function constantFold(graph: Graph): Graph {
  const splats = new Map<Value, number>();
  return rewrite(graph, (node, builder) => {
    const known = splatOf(node, splats);
    if (known === undefined) return undefined;
    const output = node.outputs[0]!;
    if (node.op === 'Const') {
      splats.set(output, known);
      return undefined;
    }
    const value = output.dtype === 'float32' ? Math.fround(known) : known;
    const folded = builder.constant(output, value, node.callSite);
    splats.set(folded, value);
    return [folded];
  });
}

function splatOf(node: Node, splats: ReadonlyMap<Value, number>): number | undefined {
  if (node.op === 'Const') return node.attrs['splat'] as number | undefined;
  if (node.op === 'Fill') return filledWith(node.attrs['value'], node.outputs[0]!);
  if (node.op === 'ZerosLike') return 0;
  if (node.op === 'OnesLike') return 1;
  const values = node.inputs.map((v) => splats.get(v));
  if (values.length === 0 || values.includes(undefined)) return undefined;
  if (moves.has(node.op)) return values[0];
  const fold = folds[node.op];
  if (fold === undefined) return undefined;
  // Integer results that might not fit into int32 are not folded.
  const result = fold(values as number[], node);
  const fits = node.outputs[0]!.dtype !== 'int32' || (Number.isInteger(result) && Math.abs(result) < 2 ** 31);
  return fits ? result : undefined;
}
