import type { ConstData, Graph, Value } from '../graph/graph.js';
import { portName } from '../graph/port.js';
import type { Compilation } from './observer.js';

/**
 * Prints a graph as text, one node per line: `%7: Add(a %5, b %6) -> float32 [2, 4] {attributes}  # scope`. The scope
 * is the one set by `scope` of `@dm/ops`, and a product in another precision than f32 has ` in f16` before it. Attributes
 * and scope are omitted if empty.
 */
export function printGraph(graph: Graph): string {
  const names = (values: readonly Value[]) => values.map(({ id }) => `%${id}`).join(', ');
  const types = (values: readonly Value[]) =>
    values.map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`).join(', ');
  const lines = graph.inputs.map(({ port, value }) => `%${value.id}: input "${portName(port)}" -> ${types([value])}`);
  for (const { op, inputs, inputNames, attrs, outputs, scope = '', precision } of graph.nodes) {
    const operands = inputs.map((value, i) => `${inputNames[i]} %${value.id}`).join(', ');
    const attributes = Object.entries(attrs).map(([key, value]) => `${key}=${attributeText(value)}`);
    const braces = attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`;
    const computed = precision === undefined ? '' : ` in ${precision}`;
    const comment = scope === '' ? '' : `  # ${scope}`;
    lines.push(`${names(outputs)}: ${op}(${operands}) -> ${types(outputs)}${braces}${computed}${comment}`);
  }
  lines.push(...graph.outputs.map(({ port, value }) => `output "${portName(port)}": %${value.id}`));
  return lines.join('\n');
}

function attributeText(value: unknown): string {
  if (ArrayBuffer.isView(value)) {
    const data = value as ConstData;
    return data.length <= 8 ? `[${[...data].join(', ')}]` : `[${data.length} values]`;
  }
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'undefined');
}

/**
 * The files that show a compilation, by name: `<program>.onnx`, the model given to the runtime (`.wasm` for the update
 * of a split step), and `<program>.txt`, the graph before lowering, as `printGraph` prints it. The ONNX file is meant
 * for viewers and this machine: it may use operators that only ONNX Runtime's CPU provider has. `lowerGraph(graph, {
 * target: 'file' })` makes a portable one.
 */
export function dumpFiles({ name, graph, format, bytes }: Compilation): Readonly<Record<string, Uint8Array | string>> {
  const file = name.replaceAll(/[^\w.-]+/g, '-');
  return { [`${file}.${format}`]: bytes, [`${file}.txt`]: `${printGraph(graph)}\n` };
}
