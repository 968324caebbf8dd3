/** Makes a file smaller and easier to read. The runtime that loads it would apply the same simplifications. */
import { liveNodes } from '../lower/lower-graph.js';
import { sizeOf } from '../graph/graph.js';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx/proto.js';

/** Repeated-number constants with at least this many elements are written as an Expand. */
const REPEATED = 64;

/** The same model without pairs of transposes, long repeated-number constants, and unused results. */
export function simplifyModel(model: OnnxModel): OnnxModel {
  const joined = { ...model, nodes: joinTransposes(model.nodes) };
  const { nodes, initializers } = shortenConstants(joined);
  const outputs = model.outputs.map(({ name }) => name);
  const { kept, used } = liveNodes(nodes, outputs);
  return {
    ...model,
    nodes: kept.map((node) => withoutUnused(node, used)),
    initializers: initializers.filter(({ name }) => used.has(name)),
  };
}

/** Merges a transpose of a transpose into one, or removes both. */
function joinTransposes(nodes: readonly OnnxNode[]): OnnxNode[] {
  const permOf = ({ attrs }: OnnxNode): readonly number[] => (attrs['perm'] as { ints: readonly number[] }).ints;
  const transposes = new Map<string, OnnxNode>();
  const stands = new Map<string, string>();
  return nodes.map((old) => {
    let node = { ...old, inputs: old.inputs.map((name) => stands.get(name) ?? name) };
    if (node.op !== 'Transpose') return node;
    const before = transposes.get(node.inputs[0]!);
    if (before !== undefined) {
      const perm = permOf(node).map((axis) => permOf(before)[axis]!);
      if (perm.every((axis, i) => axis === i)) stands.set(node.outputs[0]!, before.inputs[0]!);
      node = { ...node, inputs: before.inputs.slice(), attrs: { perm: { ints: perm } } };
    }
    transposes.set(node.outputs[0]!, node);
    return node;
  });
}

/**
 * Writes long repeated-number constants, such as the unit scale of a group normalization, as an Expand of one element.
 */
function shortenConstants(model: OnnxModel): { nodes: OnnxNode[]; initializers: OnnxTensor[] } {
  const expands: OnnxNode[] = [];
  const shapes: OnnxTensor[] = [];
  const initializers = model.initializers.map((tensor): OnnxTensor => {
    const count = sizeOf(tensor.dims);
    const width = tensor.raw.length / count;
    if (count < REPEATED || !tensor.raw.every((byte, i) => byte === tensor.raw[i % width])) return tensor;
    const element = { ...tensor, name: `${tensor.name}/element`, dims: [], raw: tensor.raw.slice(0, width) };
    const raw = new Uint8Array(BigInt64Array.from(tensor.dims, BigInt).buffer);
    const shape = { name: `${tensor.name}/shape`, type: 'int64', dims: [tensor.dims.length], raw } as const;
    const [inputs, outputs] = [[element.name, shape.name], [tensor.name]];
    expands.push({ op: 'Expand', domain: '', inputs, outputs, attrs: {}, name: `${tensor.name}/Expand` });
    shapes.push(shape);
    return element;
  });
  return { nodes: [...expands, ...model.nodes], initializers: [...initializers, ...shapes] };
}

/** Drops outputs that nothing uses: mean and deviation of a normalization serve only its gradient. */
function withoutUnused(node: OnnxNode, used: ReadonlySet<string>): OnnxNode {
  if (node.op !== 'LayerNormalization') return node;
  const last = node.outputs.findLastIndex((name) => used.has(name));
  return { ...node, outputs: node.outputs.slice(0, last + 1) };
}
