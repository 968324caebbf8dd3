import { orRefuse } from './errors.js';
import type { Graph } from './graph.js';
import { kernels } from './lower/index.js';
import { Lowering, type LowerOptions } from './lower/lowering.js';
import type { OnnxModel } from './onnx/proto.js';

/**
 * Lowers a traced graph to an ONNX model. Its inputs are those of the graph that it depends on; inputs and outputs
 * keep their names, shapes and row-major layout.
 */
export function lowerGraph(graph: Graph, options: LowerOptions = {}): OnnxModel {
  const ctx = new Lowering(options);
  for (const { name, value } of graph.inputs) ctx.set(value, name);
  for (const node of graph.nodes) {
    ctx.onnx.scope = node.scope === undefined || node.scope === '' ? node.op : `${node.scope}/${node.op}`;
    orRefuse(node, () => kernels[node.op]!.lower(node, ctx));
  }
  for (const { name, value } of graph.outputs) ctx.onnx.output(name, ctx.get(value));

  const used = new Set(ctx.onnx.nodes.flatMap((node) => node.inputs));
  const info = ({ name, value }: Graph['inputs'][number]) => ({ name, type: value.dtype, dims: value.shape });
  return {
    ...ctx.model(graph.name),
    inputs: graph.inputs.filter(({ name }) => used.has(name)).map(info),
    outputs: graph.outputs.map(info),
  };
}
