import type { OnnxModel, OnnxNode } from './onnx/proto.js';
import type { Stretch } from './passes/vector-pieces.js';
import { PREFIX } from './trace.js';

/** Operators of ONNX that make each element of the result from those at its place, or from scalars. */
const elementwise = new Set('Abs Add Div Exp Log Max Min Mul Neg Pow Reciprocal Sigmoid Sign Sqrt Sub Tanh'.split(' '));

/**
 * Names of the state (without a prefix) that `model` may write to the very memory that it reads it from. So it is where
 * each node that reads an old value works element by element, and is the one that writes the new value or computes
 * something for it: no node can then read what has been overwritten. `stretches` says which inputs and outputs are parts
 * of an array.
 */
export function inPlace(model: OnnxModel, stretches: ReadonlyMap<string, Stretch>): ReadonlySet<string> {
  const makers = new Map(model.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const readers = new Map<string, OnnxNode[]>();
  for (const node of model.nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  const dims = new Map([...model.inputs, ...model.outputs].map((info) => [info.name, info.dims.join()]));
  const entryOf = (name: string, prefix: string) => (stretches.get(name)?.name ?? name).slice(prefix.length);
  const beginning = (prefix: string) => (name: string) => name.startsWith(prefix);
  const written = model.outputs.map(({ name }) => name).filter(beginning(PREFIX.next));
  const read = model.inputs.map(({ name }) => name).filter(beginning(PREFIX.state));

  /** Whether an input is read only on the way to the output that takes its place. */
  const isSafe = (input: string): boolean => {
    const output = PREFIX.next + input.slice(PREFIX.state.length);
    const writer = makers.get(output);
    if (writer === undefined || dims.get(output) !== dims.get(input)) return false;
    const before = ancestors(writer, makers);
    return readers.get(input)!.every((node) => elementwise.has(node.op) && before.has(node));
  };
  const unsafe = new Set(read.filter((input) => !isSafe(input)).map((input) => entryOf(input, PREFIX.state)));
  return new Set(written.map((name) => entryOf(name, PREFIX.next)).filter((entry) => !unsafe.has(entry)));
}

/** A node and all that it depends on. */
function ancestors(node: OnnxNode, makers: ReadonlyMap<string, OnnxNode>): ReadonlySet<OnnxNode> {
  const found = new Set([node]);
  for (const one of found) {
    for (const input of one.inputs) {
      const maker = makers.get(input);
      if (maker !== undefined) found.add(maker);
    }
  }
  return found;
}
