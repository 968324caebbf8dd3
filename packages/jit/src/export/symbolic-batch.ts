/**
 * Merges the graphs of two batch sizes into one graph for any batch size. A traced graph has fixed shapes, and a
 * lowering may put a shape anywhere: into a Reshape, an Expand, or the bounds of a Slice. Whatever differs between the
 * two graphs depends on the batch size; nothing else does.
 */
import { contentKey } from '../graph/content-key.js';
import { TraceError } from '../errors.js';
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from '../onnx/proto.js';

/**
 * The batch sizes to lower a program at. They are prime, so that no other dimension is likely to equal one of them or a
 * multiple. If one does, the graph is refused; it is never wrong.
 */
export const batchSizes = [127, 131] as const;

/** A number that is the same in both graphs, or a multiple of the batch size. */
type Extent = { readonly fixed: number } | { readonly perImage: number };

function extentOf(a: number, b: number): Extent | undefined {
  if (a === b) return { fixed: a };
  const perImage = a / batchSizes[0];
  return Number.isInteger(perImage) && perImage > 0 && b === perImage * batchSizes[1] ? { perImage } : undefined;
}

/**
 * Merges `a` and `b`, the same program lowered at the two `batchSizes`. Dimensions in which their inputs and outputs
 * differ become `batch`.
 * @throws {TraceError} naming the node, if the graphs differ in their nodes (the program asks for the size), in an
 *   attribute, or in numbers that are not a multiple of the batch size (a mean over it, a table)
 */
export function symbolicBatch(a: OnnxModel, b: OnnxModel, batch: string): OnnxModel {
  const known = { a: tensorsByName(a), b: tensorsByName(b) };
  const inputs = sameInfos(a.inputs, b.inputs, batch);
  const shapes = new BatchShapes(inputs, batch);
  /** Maps a value of `b` to its name in `a`. */
  const names = new Map(b.inputs.map(({ name }, i) => [name, a.inputs[i]!.name]));

  const nodes = a.nodes.map((node, i): OnnxNode => {
    const twin = b.nodes[i];
    if (twin === undefined || !sameKind(node, twin)) {
      throw refused(node, `at another batch size it is ${twin === undefined ? 'missing' : described(twin)}`);
    }
    twin.outputs.forEach((name, k) => names.set(name, node.outputs[k]!));
    const operands = node.inputs.map((name, k) => {
      const [first, second] = [known.a.get(name), known.b.get(twin.inputs[k]!)];
      if (first !== undefined && second !== undefined) return shapes.unify(node, k, first, second);
      if (names.get(twin.inputs[k]!) === name || (name === '' && twin.inputs[k] === '')) return name;
      throw refused(node, `its operand ${k} is a different value at another batch size`);
    });
    return { ...node, inputs: operands };
  });
  if (b.nodes.length > a.nodes.length) throw refused(b.nodes[a.nodes.length]!, 'it exists at one batch size only');

  return {
    ...a,
    nodes: shapes.inFrontOf(nodes),
    initializers: [...a.initializers, ...shapes.initializers],
    inputs,
    outputs: sameInfos(a.outputs, b.outputs, batch),
  };
}

const tensorsByName = ({ initializers }: OnnxModel) => new Map(initializers.map((tensor) => [tensor.name, tensor]));

const sameKind = (a: OnnxNode, b: OnnxNode): boolean =>
  a.op === b.op &&
  a.domain === b.domain &&
  a.inputs.length === b.inputs.length &&
  a.outputs.length === b.outputs.length &&
  contentKey(a.attrs) === contentKey(b.attrs);

const described = ({ op, attrs, outputs }: OnnxNode): string =>
  `${op} ${contentKey(attrs)} with ${outputs.length} outputs`;

function refused(node: OnnxNode, reason: string): TraceError {
  return new TraceError(
    `The node ${node.name} (${described(node)}) cannot be exported for every batch size: ${reason}. Pass what depends ` +
      'on the batch size as an input, or give every input a fixed size.',
  );
}

function sameInfos(a: readonly OnnxValueInfo[], b: readonly OnnxValueInfo[], batch: string): OnnxValueInfo[] {
  const list = (infos: readonly OnnxValueInfo[]) => infos.map(({ name }) => name).join(', ');
  if (list(a) !== list(b)) {
    throw new TraceError(`At another batch size the values of the graph are ${list(b)}, not ${list(a)}.`);
  }
  return a.map(({ name, type, dims }, i) => ({
    name,
    type,
    dims: dims.map((dim, axis) => {
      const other = b[i]!.dims[axis];
      const extent = extentOf(dim as number, other as number);
      if (extent === undefined) {
        throw new TraceError(`"${name}": its axis ${axis} is ${dim} or ${other}, not a multiple of the batch size.`);
      }
      if ('fixed' in extent) return extent.fixed;
      return extent.perImage === 1 ? batch : `${extent.perImage}*${batch}`;
    }),
  }));
}

/** Creates the operands that depend on the batch size, each once, from the shape of an input. */
class BatchShapes {
  readonly initializers: OnnxTensor[] = [];
  private readonly made: OnnxNode[] = [];
  private readonly known = new Map<string, string>();

  constructor(
    private readonly inputs: readonly OnnxValueInfo[],
    private readonly batch: string,
  ) {}

  /** The name of the value that replaces operand `index` of `node`, which is `a` in one graph and `b` in the other. */
  unify(node: OnnxNode, index: number, a: OnnxTensor, b: OnnxTensor): string {
    if (sameTensor(a, b)) return a.name;
    if (a.type === 'int64' && a.dims.length === 1) return this.vector(node, index, a, b);
    return this.rows(node, a, b);
  }

  /** The given nodes, each preceded by the nodes that compute its batch-dependent operands. */
  inFrontOf(nodes: readonly OnnxNode[]): OnnxNode[] {
    return [...this.made, ...nodes];
  }

  /** An int64 vector: a shape, bounds, or repetitions. */
  private vector(node: OnnxNode, index: number, a: OnnxTensor, b: OnnxTensor): string {
    const [first, second] = [intsOf(a), intsOf(b)];
    const extents = first.map((value, i) => extentOf(value, second[i] ?? NaN));
    if (first.length !== second.length || extents.includes(undefined)) {
      throw refused(node, `its operand ${index} is [${first.join(', ')}] or [${second.join(', ')}]`);
    }
    const entries = extents as Extent[];
    const isReshape = node.op === 'Reshape' && entries.filter((entry) => 'perImage' in entry).length === 1;
    if (isReshape && !entries.some((entry) => 'fixed' in entry && entry.fixed <= 0)) {
      return this.ints(entries.map((entry) => ('fixed' in entry ? entry.fixed : -1)));
    }
    return this.computed(entries);
  }

  /** A tensor of identical rows, one per image: one row, expanded. */
  private rows(node: OnnxNode, a: OnnxTensor, b: OnnxTensor): string {
    const [[rows, ...rest], [otherRows, ...otherRest]] = [a.dims, b.dims];
    const row = a.raw.subarray(0, a.raw.length / batchSizes[0]);
    const fits = rows === batchSizes[0] && otherRows === batchSizes[1] && rest.join() === otherRest.join();
    if (!fits || !repeats(a.raw, row) || !repeats(b.raw, row)) {
      const shape = ({ type, dims }: OnnxTensor) => `${type} [${dims.join(', ')}]`;
      throw refused(
        node,
        `it uses a constant ${shape(a)}, which has different values ${shape(b)} at another batch size`,
      );
    }
    return this.once(contentKey(['rows', a.type, rest, row]), () => {
      const name = this.initializer({ type: a.type, dims: [1, ...rest], raw: row });
      const shape = this.computed([{ perImage: 1 }, ...rest.map((fixed) => ({ fixed }))]);
      return this.node('Expand', [name, shape]);
    });
  }

  private computed(entries: readonly Extent[]): string {
    return this.once(contentKey(entries), () => {
      const runs: (number[] | number)[] = [];
      for (const entry of entries) {
        const last = runs.at(-1);
        if ('perImage' in entry) runs.push(entry.perImage);
        else if (Array.isArray(last)) last.push(entry.fixed);
        else runs.push([entry.fixed]);
      }
      const parts = runs.map((run) => (Array.isArray(run) ? this.ints(run) : this.images(run)));
      return parts.length === 1 ? parts[0]! : this.node('Concat', parts, { axis: { int: 0 } });
    });
  }

  /** `perImage` times the batch size, as a vector of length 1. */
  private images(perImage: number): string {
    return this.once(`${perImage} images`, () => {
      if (perImage !== 1) return this.node('Mul', [this.images(1), this.ints([perImage])]);
      const axisOf = ({ dims }: OnnxValueInfo) => dims.indexOf(this.batch);
      const input = this.inputs.find((info) => axisOf(info) >= 0);
      if (input === undefined)
        throw new TraceError(`The graph depends on the dimension "${this.batch}", but no input has it.`);
      return this.node('Shape', [input.name], { start: { int: axisOf(input) }, end: { int: axisOf(input) + 1 } });
    });
  }

  private ints(values: readonly number[]): string {
    return this.once(`ints ${values.join()}`, () => {
      const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      return this.initializer({ type: 'int64', dims: [values.length], raw });
    });
  }

  private node(op: string, inputs: readonly string[], attrs: OnnxNode['attrs'] = {}): string {
    const name = `${this.batch}/${op}.${this.made.length}`;
    this.made.push({ op, domain: '', inputs, outputs: [name], attrs, name });
    return name;
  }

  private initializer(tensor: Omit<OnnxTensor, 'name'>): string {
    const name = `${this.batch}/const.${this.initializers.length}`;
    this.initializers.push({ ...tensor, name });
    return name;
  }

  private once(key: string, make: () => string): string {
    const name = this.known.get(key) ?? make();
    this.known.set(key, name);
    return name;
  }
}

const sameTensor = (a: OnnxTensor, b: OnnxTensor): boolean =>
  a.type === b.type && a.dims.join() === b.dims.join() && a.raw.every((byte, i) => byte === b.raw[i]);

const repeats = (raw: Uint8Array, row: Uint8Array): boolean => raw.every((byte, i) => byte === row[i % row.length]);

const intsOf = ({ raw }: OnnxTensor): number[] => Array.from(new BigInt64Array(raw.slice().buffer), Number);
