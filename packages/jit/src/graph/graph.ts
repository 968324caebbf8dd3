import type { DType, Precision } from '@dm/ops';
import type { CallSite } from './call-site.js';
import type { Port } from './port.js';

/** Type and shape of a tensor. */
export interface TensorSpec {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export type TensorSpecs = Readonly<Record<string, TensorSpec>>;

/** One tensor of a graph, defined once: by an input, a constant, or a node. */
export interface Value extends TensorSpec {
  readonly id: number;
}

/** Arguments of a kernel other than tensors: plain JSON data, except for typed arrays in constants. */
export type Attrs = Readonly<Record<string, unknown>>;

/**
 * A kernel call before its outputs are known. `op` is the TF.js kernel's name, or `Const` for a tensor known at trace
 * time: either `{ splat: number }` (all elements equal) or `{ data: typed array }`.
 */
export interface KernelCall {
  readonly op: string;
  readonly inputs: readonly Value[];
  /** The kernel's name for each input (`x`, `filter`, ...; `0`, `1`, ... for lists). */
  readonly inputNames: readonly string[];
  readonly attrs: Attrs;
  /** The line of the user's program that made this call, for error messages. */
  readonly callSite?: CallSite | undefined;
  /** The name set by `scope` of @dm/ops: the block of the model. */
  readonly scope?: string | undefined;
  /** Of a product or convolution: the precision set by `autocast` of @dm/ops. Default: `f32`. */
  readonly precision?: Precision | undefined;
}

/** One kernel call. */
export interface Node extends KernelCall {
  readonly outputs: readonly Value[];
}

/** A value that enters or leaves a graph. */
export interface PortValue {
  readonly port: Port;
  readonly value: Value;
}

/** A traced program. Nodes are in topological order. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly PortValue[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly PortValue[];
}

export type ConstData = Float32Array | Int32Array | Uint8Array;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

/** Type and shape of a value, to create another one like it. */
export const specOf = ({ shape, dtype }: TensorSpec): TensorSpec => ({ shape, dtype });

/**
 * The input called `name`.
 * @throws {Error} if the kernel was called without it
 */
export function input(call: KernelCall, name: string): Value {
  const value = optionalInput(call, name);
  if (value === undefined) {
    throw new Error(`${call.op}: input "${name}" is missing (it has ${call.inputNames.join(', ')})`);
  }
  return value;
}

export function optionalInput(call: KernelCall, name: string): Value | undefined {
  const i = call.inputNames.indexOf(name);
  return i < 0 ? undefined : call.inputs[i];
}

/** Creates values and nodes in topological order; the tracer and every pass build graphs with it. */
export class GraphBuilder {
  readonly nodes: Node[] = [];
  private readonly producers = new Map<Value, Node>();
  private nextId: number;

  constructor(firstId = 0) {
    this.nextId = firstId;
  }

  value(spec: TensorSpec): Value {
    return { id: this.nextId++, shape: [...spec.shape], dtype: spec.dtype };
  }

  emit(call: KernelCall, outputs: readonly TensorSpec[]): readonly Value[] {
    const values = outputs.map((o) => this.value(o));
    this.add({ ...call, outputs: values });
    return values;
  }

  add(node: Node): void {
    this.nodes.push(node);
    for (const value of node.outputs) this.producers.set(value, node);
  }

  /** The node that computes a value; undefined for an input. */
  producer(value: Value): Node | undefined {
    return this.producers.get(value);
  }

  constant(spec: TensorSpec, data: ConstData | number, callSite?: CallSite): Value {
    const attrs = typeof data === 'number' ? { splat: data } : { data };
    return this.emit({ op: 'Const', inputs: [], inputNames: [], attrs, callSite }, [spec])[0]!;
  }
}

/**
 * Copies a graph node by node. `visit` gets each node with its inputs already replaced. It returns the values that
 * replace the node's outputs, or undefined to keep the node.
 */
export function rewrite(
  graph: Graph,
  visit: (node: Node, builder: GraphBuilder) => readonly Value[] | undefined,
): Graph {
  const builder = new GraphBuilder(lastId(graph) + 1);
  const replacements = new Map<Value, Value>();
  const resolve = (value: Value): Value => replacements.get(value) ?? value;
  for (const old of graph.nodes) {
    const node = old.inputs.some((v) => replacements.has(v)) ? { ...old, inputs: old.inputs.map(resolve) } : old;
    const replaced = visit(node, builder);
    if (replaced === undefined) builder.add(node);
    else old.outputs.forEach((value, i) => replacements.set(value, replaced[i]!));
  }
  return {
    ...graph,
    nodes: builder.nodes,
    outputs: graph.outputs.map(({ port, value }) => ({ port, value: resolve(value) })),
  };
}

/** Largest id of a value; -1 in an empty graph. */
export function lastId({ inputs, nodes }: Graph): number {
  let last = -1;
  for (const { value } of inputs) last = Math.max(last, value.id);
  for (const node of nodes) for (const value of node.outputs) last = Math.max(last, value.id);
  return last;
}
