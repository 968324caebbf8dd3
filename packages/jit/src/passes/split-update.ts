import { type Graph, type Node, type PortValue, sizeOf, type Value } from '../graph/graph.js';
import { isInstruction, isOneNumber } from '../update/update-kernel.js';
import { isSharedVector } from '../update/shared-memory.js';
import { eliminateDeadCode } from './eliminate-dead-code.js';

/** A step as two graphs that run one after the other. */
export interface SplitStep {
  /** Computes all outputs of the program, and as intermediates whatever `update` needs besides state and inputs. */
  readonly main: Graph;
  /** Computes the new state element by element; it becomes an update kernel (update/update-kernel.ts). */
  readonly update: Graph;
}

/**
 * Splits a training step after its backward pass: the first graph computes loss, gradient, and gradient norm, the
 * second the optimizer update. The second reads and writes each element of the state at its own position only, so that
 * one loop can do it all in place, and it can be skipped if a step is discarded.
 *
 * The first graph is everything that the outputs need. A program is split only if the rest works element by element on
 * scalars and on long vectors of one length, by kernels that such a loop supports, and if at most one vector that it needs
 * is not state, but an input or a result of the first graph: it takes the memory that is saved, and shared memory has room
 * for one. Returns undefined for any other program, and for one without outputs.
 */
export function splitUpdate(graph: Graph, isVector: (value: Value) => boolean = isSharedVector): SplitStep | undefined {
  const isNext = ({ port }: PortValue) => port.kind === 'next';
  const next = graph.outputs.filter(isNext);
  const outputs = graph.outputs.filter((output) => !isNext(output));
  const length = next[0]?.value.shape[0];
  if (outputs.length === 0 || length === undefined) return undefined;
  const isStateVector = (value: Value) => isVector(value) && value.shape[0] === length;
  if (!next.every(({ value }) => isStateVector(value))) return undefined;

  const first = eliminateDeadCode({ ...graph, outputs });
  const inFirst = new Set(first.nodes);
  const isNumber = ({ dtype, shape }: Value) => dtype === 'float32' && sizeOf(shape) === 1;
  const isElementwise = (node: Node) => {
    const [value] = node.outputs as [Value];
    return node.op === 'Const'
      ? isOneNumber(node)
      : isInstruction(node.op) && (isStateVector(value) || isNumber(value));
  };

  // Cheap values are computed in both graphs instead of being passed from one to the other.
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
  const isRecomputed = (node: Node) =>
    node.op === 'Const' || (isInstruction(node.op) && isStateVector(node.outputs[0]!) && isElementwise(node));
  const passed = new Set(graph.inputs.flatMap(({ port, value }) => (port.kind === 'input' ? [value] : [])));
  const wanted = new Set<Node>();
  const kept = new Set<Value>();
  const given = new Set<Value>();
  const visit = (value: Value): void => {
    const node = producers.get(value);
    if (passed.has(value)) given.add(value);
    if (node === undefined || wanted.has(node)) return;
    if (inFirst.has(node) && !isRecomputed(node)) return void kept.add(value);
    wanted.add(node);
    node.inputs.forEach(visit);
  };
  next.forEach(({ value }) => visit(value));
  if (![...wanted].every(isElementwise)) return undefined;
  const vectors = [...kept, ...given].filter((value) => !isNumber(value));
  if (vectors.length > 1 || !vectors.every(isStateVector)) return undefined;

  const intermediates = [...kept].map((value, i): PortValue => ({
    port: { kind: 'intermediate', name: String(i) },
    value,
  }));
  const nodes = graph.nodes.filter((node) => wanted.has(node));
  const read = new Set([...nodes.flatMap(({ inputs }) => inputs), ...next.map(({ value }) => value)]);
  return {
    main: eliminateDeadCode({ ...graph, outputs: [...outputs, ...intermediates] }),
    update: {
      ...graph,
      name: `${graph.name}, update`,
      inputs: [...graph.inputs, ...intermediates].filter(({ value }) => read.has(value)),
      nodes,
      outputs: next,
    },
  };
}
