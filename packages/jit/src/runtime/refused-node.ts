/** Finds the operator that a device has no kernel for; the runtime's own message does not name it. */
import type { OnnxFragment, OnnxModel, OnnxNode } from '../onnx/proto.js';

/** Whether a runtime refused a graph because part of it would run on the CPU. */
export const needsCpu = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('fallback to CPU EP has been explicitly disabled');

/**
 * The first node of a refused model that `isAccepted` refuses, found by halving the graph; undefined if each part is
 * accepted.
 */
export async function findRefusedNode(
  model: OnnxModel,
  isAccepted: (part: OnnxFragment) => Promise<boolean>,
): Promise<OnnxNode | undefined> {
  let [accepted, refused] = [0, model.nodes.length];
  if (await isAccepted(firstNodes(model, refused))) return undefined;
  while (refused - accepted > 1) {
    const middle = Math.floor((accepted + refused) / 2);
    if (await isAccepted(firstNodes(model, middle))) accepted = middle;
    else refused = middle;
  }
  return model.nodes[accepted];
}

/** A model of the first `count` nodes. Its outputs are all values that none of these nodes reads. */
function firstNodes(model: OnnxModel, count: number): OnnxFragment {
  const nodes = model.nodes.slice(0, count);
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const ends = nodes.flatMap(({ outputs }) => outputs.filter((name) => !read.has(name)));
  return {
    ...model,
    nodes,
    inputs: model.inputs.filter(({ name }) => read.has(name)),
    initializers: model.initializers.filter(({ name }) => read.has(name)),
    outputs: ends.map((name) => ({ name })),
  };
}
