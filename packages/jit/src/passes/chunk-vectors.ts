import {
  type ConstData,
  type Graph,
  GraphBuilder,
  lastId,
  type Node,
  type PortValue,
  sizeOf,
  type TensorSpec,
  type Value,
} from '../graph/graph.js';
import type { Port } from '../graph/port.js';

/**
 * Minimum elements per chunk, if the vector allows it. The overhead of operator calls outweighs the cache's benefit for
 * shorter chunks.
 */
const SMALLEST = 2 ** 18;

/** Kernels that process each element separately, apart from scalar operands. */
const elementwise = new Set(
  (
    'Abs Add Exp Log Maximum Minimum Multiply Neg Pow RealDiv Reciprocal Rsqrt Sigmoid Sign Sqrt Square ' +
    'SquaredDifference Sub Tanh'
  ).split(' '),
);

/**
 * Splits the long vectors of a training step (parameters, gradient, moments, average) into chunks, and applies the
 * optimizer's operations chunk by chunk. On whole vectors, each of its dozen operators reads and writes main memory. A
 * chunk stays in the cache from one operator to the next, and intermediate values are only as long as a chunk. State is
 * passed as slices of the engine's arrays, so that no vector is split or joined.
 *
 * The vectors to split are those as long as the longest Split or Concat of a vector along its only axis. Chunks end at
 * the boundaries of its parts. Any other use of a whole vector gets it joined. A slice that leaves the graph may have
 * another shape than a vector, with its elements in the same order.
 */
export function chunkVectors(graph: Graph, smallest = SMALLEST): Graph {
  const lengths = chunkLengths(graph, smallest);
  return lengths.length < 2 ? graph : new ChunkRewriter(graph, lengths).rewritten();
}

/** Lengths of the parts that a node splits a vector into or joins to one; undefined for other nodes. */
function partLengths(node: Node): readonly number[] | undefined {
  const parts = node.op === 'Concat' ? node.inputs : node.op === 'SplitV' ? node.outputs : [];
  return parts.length > 0 && parts.every(({ shape }) => shape.length === 1) ? parts.map((v) => v.shape[0]!) : undefined;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** A part that is long enough is a chunk; shorter neighbors are joined until they are long enough. */
function chunkLengths(graph: Graph, smallest: number): number[] {
  const parts = graph.nodes
    .flatMap((node) => {
      const found = partLengths(node);
      return found === undefined ? [] : [found];
    })
    .reduce<readonly number[]>((best, found) => (sum(found) > sum(best) ? found : best), []);
  const chunks: number[] = [];
  let open = 0;
  const close = () => {
    if (open > 0) chunks.push(open);
    open = 0;
  };
  for (const length of parts) {
    if (length >= smallest) close();
    open += length;
    if (open >= smallest) close();
  }
  close();
  return chunks;
}

/** Whether the engine owns the array of an input or output, so that slices of it can be passed. */
const isSliceable = ({ kind }: Port): boolean => kind !== 'input' && kind !== 'output';

class ChunkRewriter {
  private readonly builder: GraphBuilder;
  private readonly offsets: readonly number[];
  private readonly total: number;
  /** The chunks of vectors that were split, or that are only computed in chunks. */
  private readonly chunks = new Map<Value, readonly Value[]>();
  /** Vectors that are never joined. */
  private readonly onlyChunks = new Set<Value>();
  /** Replacements of values of the old graph. */
  private readonly replacements = new Map<Value, Value>();
  private readonly inputs: PortValue[] = [];

  constructor(
    private readonly graph: Graph,
    private readonly lengths: readonly number[],
  ) {
    this.builder = new GraphBuilder(lastId(graph) + 1);
    this.total = sum(lengths);
    let offset = 0;
    this.offsets = lengths.map((length) => {
      offset += length;
      return offset - length;
    });
  }

  rewritten(): Graph {
    for (const { port, value } of this.graph.inputs) {
      if (isSliceable(port) && this.isVector(value)) {
        this.setChunks(
          value,
          this.slicesOf(port).map((slice, i) => this.input(slice, { ...value, shape: [this.lengths[i]!] })),
        );
      } else this.inputs.push({ port, value });
    }
    for (const node of this.graph.nodes) this.visit(node);
    const outputs = this.graph.outputs.flatMap(({ port, value }) => {
      const chunks = this.chunks.get(value);
      if (chunks === undefined || !isSliceable(port)) return [{ port, value: this.whole(value) }];
      return this.slicesOf(port).map((slice, i) => ({ port: slice, value: this.shaped(chunks[i]!) }));
    });
    return { ...this.graph, inputs: this.inputs, nodes: this.builder.nodes, outputs };
  }

  /** A vector as it was before a reshape: the same elements in the same order, without a copy. */
  private shaped(chunk: Value): Value {
    const made = this.builder.producer(chunk);
    return made?.op === 'Reshape' && this.builder.producer(made.inputs[0]!) !== undefined ? made.inputs[0]! : chunk;
  }

  private isVector = ({ shape }: Value): boolean => shape.length === 1 && shape[0] === this.total;

  private slicesOf(port: Port): readonly Port[] {
    return this.lengths.map((length, i) => ({ ...port, slice: { offset: this.offsets[i]!, length } }));
  }

  private input(port: Port, spec: TensorSpec): Value {
    const value = this.builder.value(spec);
    this.inputs.push({ port, value });
    return value;
  }

  private visit(node: Node): void {
    const output = node.outputs[0]!;
    const isChunked = node.inputs.some((value) => this.chunks.has(value));
    if (node.op === 'Concat' && this.isVector(output)) {
      const groups = this.grouped(node.inputs);
      if (groups !== undefined) {
        const parts = groups.map((group) => group.map((value) => this.whole(value)));
        return this.setChunks(
          output,
          parts.map((group) => this.joined(group, node)),
        );
      }
    }
    if (isChunked && node.op === 'SplitV') {
      const groups = this.grouped(node.outputs);
      if (groups !== undefined) return groups.forEach((group, i) => this.split(node, group, i));
    }
    const perElement = elementwise.has(node.op) && this.isVector(output);
    if (isChunked && perElement && node.inputs.every((value) => this.isVector(value) || sizeOf(value.shape) === 1)) {
      const operands = node.inputs.map((value) =>
        this.isVector(value) ? this.chunksOf(value, node) : this.lengths.map(() => this.whole(value)),
      );
      const chunks = this.lengths.map((length, i) => {
        const inputs = operands.map((operand) => operand[i]!);
        return this.builder.emit({ ...node, inputs }, [{ shape: [length], dtype: output.dtype }])[0]!;
      });
      return this.setChunks(output, chunks);
    }
    if (isChunked && node.op === 'Sum' && sizeOf(output.shape) === 1) return this.sum(node);
    this.builder.add({ ...node, inputs: node.inputs.map((value) => this.whole(value)) });
  }

  /** Groups `parts` by the chunks that they form; undefined if a chunk ends inside a part. */
  private grouped(parts: readonly Value[]): Value[][] | undefined {
    const groups: Value[][] = this.lengths.map(() => []);
    let chunk = 0;
    let room = this.lengths[0]!;
    for (const part of parts) {
      if (part.shape.length !== 1) return undefined;
      while (room === 0 && chunk + 1 < groups.length) room = this.lengths[++chunk]!;
      if (part.shape[0]! > room) return undefined;
      room -= part.shape[0]!;
      groups[chunk]!.push(part);
    }
    return room === 0 && chunk === groups.length - 1 ? groups : undefined;
  }

  private split(node: Node, parts: readonly Value[], i: number): void {
    const chunk = this.chunks.get(node.inputs[0]!)![i]!;
    const only = parts.length === 1 ? parts[0] : undefined;
    if (only !== undefined) return void this.replacements.set(only, chunk);
    const attrs = { ...node.attrs, numOrSizeSplits: parts.map(({ shape }) => shape[0]!) };
    this.builder.add({ ...node, inputs: [chunk], attrs, outputs: parts });
  }

  /** Sums a vector by adding the sums of its chunks. */
  private sum(node: Node): void {
    const { dtype } = node.outputs[0]!;
    const sums = this.chunksOf(node.inputs[0]!, node).map((chunk) => {
      const call = { ...node, inputs: [chunk], attrs: { axis: [0], keepDims: true } };
      return this.builder.emit(call, [{ shape: [1], dtype }])[0]!;
    });
    this.builder.add({ ...node, inputs: [this.joined(sums, node)] });
  }

  private joined(parts: readonly Value[], { callSite, scope }: Pick<Node, 'callSite' | 'scope'>): Value {
    if (parts.length === 1) return parts[0]!;
    const shape = [sum(parts.map((part) => part.shape[0]!))];
    const inputNames = parts.map((_, i) => String(i));
    const call = { op: 'Concat', inputs: parts, inputNames, attrs: { axis: 0 }, callSite, scope };
    return this.builder.emit(call, [{ shape, dtype: parts[0]!.dtype }])[0]!;
  }

  /** The chunks of a vector; splits it if necessary. */
  private chunksOf(vector: Value, { callSite, scope }: Node): readonly Value[] {
    const known = this.chunks.get(vector);
    if (known !== undefined) return known;
    const specs = this.lengths.map((length) => ({ shape: [length], dtype: vector.dtype }));
    const made = this.builder.producer(this.whole(vector));
    const data = made?.op === 'Const' ? (made.attrs['data'] as ConstData | undefined) : undefined;
    const splat = made?.op === 'Const' ? (made.attrs['splat'] as number | undefined) : undefined;
    const call = { inputs: [this.whole(vector)], inputNames: ['x'], callSite, scope };
    const attrs = { axis: 0, numOrSizeSplits: [...this.lengths] };
    const chunks =
      data !== undefined || splat !== undefined
        ? specs.map((spec, i) =>
            this.builder.constant(spec, splat ?? data!.slice(this.offsets[i], this.offsets[i]! + this.lengths[i]!)),
          )
        : this.builder.emit({ ...call, op: 'SplitV', attrs }, specs);
    this.chunks.set(vector, chunks);
    return chunks;
  }

  /** The replacement of a value of the old graph; a vector in chunks is joined, once. */
  private whole(value: Value): Value {
    const known = this.replacements.get(value);
    if (known !== undefined) return known;
    if (!this.onlyChunks.has(value)) return value;
    const joined = this.joined(this.chunks.get(value)!, {});
    this.replacements.set(value, joined);
    return joined;
  }

  private setChunks(value: Value, chunks: readonly Value[]): void {
    this.chunks.set(value, chunks);
    this.onlyChunks.add(value);
  }
}
