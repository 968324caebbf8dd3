import type { DType } from '@dm/ops';

/** One tensor of a graph, defined once: by an input, a constant or a node. */
export interface Value {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Where a call was made: kept for the message of an error, and turned into text only for one. */
export type Place = Error;

/** Plain JSON data (typed arrays in constants aside) that a kernel takes besides tensors. */
export type Attrs = Readonly<Record<string, unknown>>;

/**
 * One kernel call. `op` is the TF.js kernel's name, or `Const`: a tensor known while tracing, either
 * `{ splat: number }` (every element the same) or `{ data: typed array }`.
 */
export interface Node {
  readonly op: string;
  readonly inputs: readonly Value[];
  /** Name of each input as the kernel calls it (`x`, `filter`, ...; `0`, `1`, ... for lists). */
  readonly names: readonly string[];
  readonly attrs: Attrs;
  readonly outputs: readonly Value[];
  /** Where the user's program made this call, for errors. */
  readonly where?: Place | undefined;
  /** The name that `scope` of @dm/ops had set: the block of the model. */
  readonly scope?: string | undefined;
}

/** A traced program. Nodes are in an order in which they can run. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly value: Value }[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly { readonly name: string; readonly value: Value }[];
}

export type ConstData = Float32Array | Int32Array | Uint8Array;

export interface OutputSpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

/** The input called `name`; throws if the kernel was called without it. */
export function arg(node: Node, name: string): Value {
  const value = optionalArg(node, name);
  if (value === undefined) throw new Error(`${node.op}: input "${name}" is missing (it has ${node.names.join(', ')})`);
  return value;
}

export function optionalArg(node: Node, name: string): Value | undefined {
  const i = node.names.indexOf(name);
  return i < 0 ? undefined : node.inputs[i];
}

/** Makes values and nodes in running order; the tracer and every pass build graphs with it. */
export class GraphBuilder {
  readonly nodes: Node[] = [];
  private readonly made = new Map<Value, Node>();
  private nextId: number;

  constructor(firstId = 0) {
    this.nextId = firstId;
  }

  value(spec: OutputSpec): Value {
    return { id: this.nextId++, shape: [...spec.shape], dtype: spec.dtype };
  }

  emit(node: Omit<Node, 'outputs'>, outputs: readonly OutputSpec[]): readonly Value[] {
    const values = outputs.map((o) => this.value(o));
    this.add({ ...node, outputs: values });
    return values;
  }

  add(node: Node): void {
    this.nodes.push(node);
    for (const value of node.outputs) this.made.set(value, node);
  }

  /** The node that made a value; nothing for an input. */
  producer(value: Value): Node | undefined {
    return this.made.get(value);
  }

  constant(spec: OutputSpec, data: ConstData | number, where?: Place): Value {
    const attrs = typeof data === 'number' ? { splat: data } : { data };
    return this.emit({ op: 'Const', inputs: [], names: [], attrs, where }, [spec])[0]!;
  }
}

/**
 * Copies a graph node by node. `visit` sees each node with its inputs already replaced; it returns the values that
 * stand for the node's outputs, or nothing to keep the node as it is.
 */
export function rewrite(
  graph: Graph,
  visit: (node: Node, builder: GraphBuilder) => readonly Value[] | undefined,
): Graph {
  const builder = new GraphBuilder(lastId(graph) + 1);
  const stands = new Map<Value, Value>();
  const now = (value: Value): Value => stands.get(value) ?? value;
  for (const old of graph.nodes) {
    const node = old.inputs.some((v) => stands.has(v)) ? { ...old, inputs: old.inputs.map(now) } : old;
    const replaced = visit(node, builder);
    if (replaced === undefined) builder.add(node);
    else old.outputs.forEach((value, i) => stands.set(value, replaced[i]!));
  }
  return {
    ...graph,
    nodes: builder.nodes,
    outputs: graph.outputs.map(({ name, value }) => ({ name, value: now(value) })),
  };
}

/** Largest number of a value; -1 in an empty graph. */
export function lastId({ inputs, nodes }: Graph): number {
  let last = -1;
  for (const { value } of inputs) last = Math.max(last, value.id);
  for (const node of nodes) for (const value of node.outputs) last = Math.max(last, value.id);
  return last;
}
