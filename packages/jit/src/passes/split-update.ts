import { type Graph, type Node, sizeOf, type Value } from '../graph.js';
import { PREFIX } from '../trace.js';
import { deadCode } from './dead-code.js';
import { elementwise } from './vector-pieces.js';

/** A step in two graphs, to be run one after the other. */
export interface SplitStep {
  /** Computes all outputs of the program, and what `update` needs besides state and inputs: `between.0`, ... */
  readonly main: Graph;
  /** Computes the new state, element by element. */
  readonly update: Graph;
  /** Elements of the vectors of state. */
  readonly length: number;
}

/**
 * Parts a training step behind its gradient: the first graph has loss, gradient and norm, the second what an optimizer
 * makes of them. The second reads and writes every element of the state at its own place only, so that the engine can let
 * it write where it reads, and need not run it where a step is not to count.
 *
 * The first graph is what the outputs need. A program is parted only if what is left works element by element on vectors
 * as long as the state and on scalars; nothing is returned for any other, without outputs, or where the vectors are shorter than `smallest` elements, a second call then costing more than it gives.
 */
export function splitUpdate(graph: Graph, smallest: number): SplitStep | undefined {
  const isNext = ({ name }: { name: string }) => name.startsWith(PREFIX.next);
  const next = graph.outputs.filter(isNext);
  const outputs = graph.outputs.filter((output) => !isNext(output));
  const length = Math.max(0, ...next.map(({ value }) => (value.shape.length === 1 ? value.shape[0]! : 0)));
  if (length < smallest || outputs.length === 0) return undefined;
  const isVector = ({ shape }: Value) => shape.length === 1 && shape[0] === length;

  const first = deadCode({ ...graph, outputs });
  const inFirst = new Set(first.nodes);
  const isOneByOne = ({ op, outputs: [value] }: Node) =>
    op === 'Const' || (elementwise.has(op) && (isVector(value!) || sizeOf(value!.shape) === 1));
  if (!graph.nodes.every((node) => inFirst.has(node) || isOneByOne(node))) return undefined;

  // What is cheap is computed in both graphs rather than kept from one to the other.
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
  const again = (node: Node) =>
    node.op === 'Const' || (elementwise.has(node.op) && isVector(node.outputs[0]!) && isOneByOne(node));
  const wanted = new Set<Node>();
  const kept = new Set<Value>();
  const visit = (value: Value): void => {
    const node = makers.get(value);
    if (node === undefined || wanted.has(node)) return;
    if (inFirst.has(node) && !again(node)) return void kept.add(value);
    wanted.add(node);
    node.inputs.forEach(visit);
  };
  next.forEach(({ value }) => visit(value));
  // Kept vectors take the room that is saved.
  if ([...kept].filter((value) => sizeOf(value.shape) > 1).length >= next.length) return undefined;
  if ([...kept].some((value) => sizeOf(value.shape) > 1 && !isVector(value))) return undefined;

  const between = [...kept].map((value, i) => ({ name: `${PREFIX.between}${i}`, value }));
  return {
    main: deadCode({ ...graph, outputs: [...outputs, ...between] }),
    update: {
      ...graph,
      name: `${graph.name}, update`,
      inputs: [...graph.inputs, ...between],
      nodes: graph.nodes.filter((node) => wanted.has(node)),
      outputs: next,
    },
    length,
  };
}
