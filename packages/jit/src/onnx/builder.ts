import { contentKey } from '../graph/content-key.js';
import { type ConstData, sizeOf } from '../graph/graph.js';
import type { OnnxAttr, OnnxNode, OnnxTensor, OnnxType } from './proto.js';

export interface OpOptions {
  readonly attrs?: Readonly<Record<string, OnnxAttr>>;
  readonly domain?: string;
  readonly outputs?: number;
}

/**
 * Collects the nodes and constants of an ONNX graph. A second request for a node with the same inputs and attributes
 * returns the first one, so lowerings need not check whether another one has created it.
 */
export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  private readonly known = new Map<string, readonly string[]>();
  private readonly constants = new Set<string>();
  /** Prefix of node names; it shows up in profiles and in the runtime's errors. */
  scope = '';

  /** Adds one node with one output. An input '' is omitted. */
  op(op: string, inputs: readonly string[], options: OpOptions = {}): string {
    return this.ops(op, inputs, options)[0]!;
  }

  /** Adds one node with `options.outputs` outputs. */
  ops(
    op: string,
    inputs: readonly string[],
    { attrs = {}, domain = '', outputs = 1 }: OpOptions = {},
  ): readonly string[] {
    const key = contentKey([op, domain, inputs, attrs, outputs]);
    const same = this.known.get(key);
    if (same !== undefined) return same;
    const name = `${this.scope}/${op}.${this.nodes.length}`;
    const results = Array.from({ length: outputs }, (_, i) => `${name}${i === 0 ? '' : `:${i}`}`);
    this.nodes.push({ op, domain, inputs, outputs: results, attrs, name });
    this.known.set(key, results);
    if (inputs.length > 0 && inputs.every((input) => this.constants.has(input))) {
      for (const result of results) this.constants.add(result);
    }
    return results;
  }

  /** Whether a value depends on constants only. */
  isConstant(value: string): boolean {
    return this.constants.has(value);
  }

  /** Gives a value the name by which the graph's caller knows it. */
  output(name: string, value: string): void {
    this.nodes.push({
      op: 'Identity',
      domain: '',
      inputs: [value],
      outputs: [name],
      attrs: {},
      name: `output/${name}`,
    });
  }

  floats(values: readonly number[] | Float32Array, dims: readonly number[] = [values.length]): string {
    return this.constant('float32', dims, Float32Array.from(values));
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.floats([value], []);
  }

  /** An int64 vector: shapes, axes, pads. */
  ints(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.initializer('int64', [values.length], new Uint8Array(data.buffer));
  }

  constant(type: Exclude<OnnxType, 'int64'>, dims: readonly number[], data: ConstData): string {
    if (data.length !== sizeOf(dims)) {
      throw new Error(`constant of ${data.length} elements cannot have the shape [${dims.join(', ')}]`);
    }
    return this.initializer(type, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  private initializer(type: OnnxType, dims: readonly number[], raw: Uint8Array): string {
    const content = raw.length <= 512 ? raw.join() : undefined;
    const key = content === undefined ? undefined : `const ${type} [${dims.join(',')}] ${content}`;
    const same = key === undefined ? undefined : this.known.get(key);
    if (same !== undefined) return same[0]!;
    const name = `const.${this.initializers.length}`;
    this.initializers.push({ name, type, dims, raw });
    if (key !== undefined) this.known.set(key, [name]);
    this.constants.add(name);
    return name;
  }
}
