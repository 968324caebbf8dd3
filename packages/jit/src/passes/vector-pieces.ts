import { type ConstData, type Graph, GraphBuilder, lastId, type Node, sizeOf, type Value } from '../graph.js';
import { PREFIX } from '../trace.js';
import { deadCode } from './dead-code.js';

/** An input or output of a graph that is a stretch of an array of the engine's: `length` elements from `offset` on. */
export interface Stretch {
  /** Of the whole: `state.params`. */
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

export interface Pieces {
  readonly graph: Graph;
  /** By the names of the inputs and outputs of `graph` that are stretches. */
  readonly stretches: ReadonlyMap<string, Stretch>;
}

/**
 * Elements of a piece, at least, where the vector allows it. Shorter ones cost more in calls of operators than the cache
 * gives back.
 */
const SMALLEST = 2 ** 18;

/** Kernels that take every element by itself, and scalars beside. */
const elementwise = new Set(
  (
    'Abs Add Exp Log Maximum Minimum Multiply Neg Pow RealDiv Reciprocal Rsqrt Sigmoid Sign Sqrt Square ' +
    'SquaredDifference Sub Tanh'
  ).split(' '),
);

/**
 * Takes the long vectors of a training step (parameters, gradient, moments, average) apart into pieces, and does what an
 * optimizer does to them piece by piece. Done to whole vectors, each of its dozen operators reads and writes main memory;
 * a piece stays in the cache from one operator to the next, and what comes between is as short as a piece. State goes in
 * and out by stretches of the engine's arrays, so that no vector is split or joined.
 *
 * The vectors are those of one length: that of the longest split or concatenation of a vector along its only axis. Pieces
 * end where parts of it do. Anything else that needs a whole vector gets one. A stretch that goes out may have another shape
 * than a vector, for its elements in that order.
 */
export function vectorPieces(graph: Graph, smallest = SMALLEST): Pieces {
  const lengths = pieceLengths(graph, smallest);
  if (lengths.length < 2) return { graph, stretches: new Map() };
  return new PieceRewriter(graph, lengths).rewritten();
}

/** Lengths of the parts that a vector is made of or taken apart into; nothing for other nodes. */
function partLengths(node: Node): readonly number[] | undefined {
  const parts = node.op === 'Concat' ? node.inputs : node.op === 'SplitV' ? node.outputs : [];
  return parts.length > 0 && parts.every(({ shape }) => shape.length === 1) ? parts.map((v) => v.shape[0]!) : undefined;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** A part that is long enough is a piece; short neighbors are one together, as soon as they are long enough. */
function pieceLengths(graph: Graph, smallest: number): number[] {
  const parts = graph.nodes
    .flatMap((node) => {
      const found = partLengths(node);
      return found === undefined ? [] : [found];
    })
    .reduce<readonly number[]>((best, found) => (sum(found) > sum(best) ? found : best), []);
  const pieces: number[] = [];
  let open = 0;
  const close = () => {
    if (open > 0) pieces.push(open);
    open = 0;
  };
  for (const length of parts) {
    if (length >= smallest) close();
    open += length;
    if (open >= smallest) close();
  }
  close();
  return pieces;
}

/** Whether an input or output stands in an array of the engine's own, of which a stretch can be given. */
const isKept = (name: string): boolean =>
  [PREFIX.state, PREFIX.next, PREFIX.between].some((prefix) => name.startsWith(prefix));

class PieceRewriter {
  private readonly builder: GraphBuilder;
  private readonly offsets: readonly number[];
  private readonly total: number;
  /** The pieces of vectors that have been taken apart, or never were whole. */
  private readonly pieces = new Map<Value, readonly Value[]>();
  /** Vectors that are nowhere whole. */
  private readonly onlyPieces = new Set<Value>();
  /** Values of the old graph that another stands for. */
  private readonly stands = new Map<Value, Value>();
  private readonly inputs: { name: string; value: Value }[] = [];
  private readonly stretches = new Map<string, Stretch>();

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

  rewritten(): Pieces {
    for (const { name, value } of this.graph.inputs) {
      if (!isKept(name) || !this.isVector(value)) this.inputs.push({ name, value });
      else
        this.setPieces(
          value,
          this.stretchesOf(name).map((stretch) => this.input(stretch, value)),
        );
    }
    for (const node of this.graph.nodes) this.visit(node);
    const outputs = this.graph.outputs.flatMap(({ name, value }) => {
      const pieces = this.pieces.get(value);
      if (pieces === undefined || !isKept(name)) return [{ name, value: this.whole(value) }];
      return this.stretchesOf(name).map((stretch, i) => ({
        name: this.nameOf(stretch),
        value: this.shaped(pieces[i]!),
      }));
    });
    const graph = { ...this.graph, inputs: this.inputs, nodes: this.builder.nodes, outputs };
    return { graph: deadCode(graph), stretches: this.stretches };
  }

  /** A vector, or what it was reshaped from: its elements in the same order, without a copy. */
  private shaped(piece: Value): Value {
    const made = this.builder.producer(piece);
    return made?.op === 'Reshape' && this.builder.producer(made.inputs[0]!) !== undefined ? made.inputs[0]! : piece;
  }

  private isVector = ({ shape }: Value): boolean => shape.length === 1 && shape[0] === this.total;

  private stretchesOf(name: string): readonly Stretch[] {
    return this.lengths.map((length, i) => ({ name, offset: this.offsets[i]!, length }));
  }

  private nameOf(stretch: Stretch): string {
    const name = `${stretch.name}[${stretch.offset}:${stretch.offset + stretch.length}]`;
    this.stretches.set(name, stretch);
    return name;
  }

  private input(stretch: Stretch, { dtype }: Value): Value {
    const value = this.builder.value({ shape: [stretch.length], dtype });
    this.inputs.push({ name: this.nameOf(stretch), value });
    return value;
  }

  private visit(node: Node): void {
    const output = node.outputs[0]!;
    const inPieces = node.inputs.some((value) => this.pieces.has(value));
    if (node.op === 'Concat' && this.isVector(output)) {
      const groups = this.grouped(node.inputs);
      if (groups !== undefined) {
        const parts = groups.map((group) => group.map((value) => this.whole(value)));
        return this.setPieces(
          output,
          parts.map((group) => this.joined(group, node)),
        );
      }
    }
    if (inPieces && node.op === 'SplitV') {
      const groups = this.grouped(node.outputs);
      if (groups !== undefined) return groups.forEach((group, i) => this.split(node, group, i));
    }
    const perElement = elementwise.has(node.op) && this.isVector(output);
    if (inPieces && perElement && node.inputs.every((value) => this.isVector(value) || sizeOf(value.shape) === 1)) {
      const operands = node.inputs.map((value) =>
        this.isVector(value) ? this.piecesOf(value, node) : this.lengths.map(() => this.whole(value)),
      );
      const pieces = this.lengths.map((length, i) => {
        const inputs = operands.map((operand) => operand[i]!);
        return this.builder.emit({ ...node, inputs }, [{ shape: [length], dtype: output.dtype }])[0]!;
      });
      return this.setPieces(output, pieces);
    }
    if (inPieces && node.op === 'Sum' && sizeOf(output.shape) === 1) return this.sum(node);
    this.builder.add({ ...node, inputs: node.inputs.map((value) => this.whole(value)) });
  }

  /** `parts` by the pieces that they make up; nothing where a piece ends inside a part. */
  private grouped(parts: readonly Value[]): Value[][] | undefined {
    const groups: Value[][] = this.lengths.map(() => []);
    let piece = 0;
    let room = this.lengths[0]!;
    for (const part of parts) {
      if (part.shape.length !== 1) return undefined;
      while (room === 0 && piece + 1 < groups.length) room = this.lengths[++piece]!;
      if (part.shape[0]! > room) return undefined;
      room -= part.shape[0]!;
      groups[piece]!.push(part);
    }
    return room === 0 && piece === groups.length - 1 ? groups : undefined;
  }

  private split(node: Node, parts: readonly Value[], i: number): void {
    const piece = this.pieces.get(node.inputs[0]!)![i]!;
    const only = parts.length === 1 ? parts[0] : undefined;
    if (only !== undefined) return void this.stands.set(only, piece);
    const attrs = { ...node.attrs, numOrSizeSplits: parts.map(({ shape }) => shape[0]!) };
    this.builder.add({ ...node, inputs: [piece], attrs, outputs: parts });
  }

  /** The sum of a vector as that of the sums of its pieces. */
  private sum(node: Node): void {
    const { dtype } = node.outputs[0]!;
    const sums = this.piecesOf(node.inputs[0]!, node).map((piece) => {
      const call = { ...node, inputs: [piece], attrs: { axis: [0], keepDims: true } };
      return this.builder.emit(call, [{ shape: [1], dtype }])[0]!;
    });
    this.builder.add({ ...node, inputs: [this.joined(sums, node)] });
  }

  private joined(parts: readonly Value[], { where, scope }: Pick<Node, 'where' | 'scope'>): Value {
    if (parts.length === 1) return parts[0]!;
    const shape = [sum(parts.map((part) => part.shape[0]!))];
    const names = parts.map((_, i) => String(i));
    const call = { op: 'Concat', inputs: parts, names, attrs: { axis: 0 }, where, scope };
    return this.builder.emit(call, [{ shape, dtype: parts[0]!.dtype }])[0]!;
  }

  /** A vector in pieces: as it is, or split. */
  private piecesOf(vector: Value, { where, scope }: Node): readonly Value[] {
    const known = this.pieces.get(vector);
    if (known !== undefined) return known;
    const specs = this.lengths.map((length) => ({ shape: [length], dtype: vector.dtype }));
    const made = this.builder.producer(this.whole(vector));
    const data = made?.op === 'Const' ? (made.attrs['data'] as ConstData | undefined) : undefined;
    const splat = made?.op === 'Const' ? (made.attrs['splat'] as number | undefined) : undefined;
    const call = { inputs: [this.whole(vector)], names: ['x'], where, scope };
    const attrs = { axis: 0, numOrSizeSplits: [...this.lengths] };
    const pieces =
      data !== undefined || splat !== undefined
        ? specs.map((spec, i) =>
            this.builder.constant(spec, splat ?? data!.slice(this.offsets[i], this.offsets[i]! + this.lengths[i]!)),
          )
        : this.builder.emit({ ...call, op: 'SplitV', attrs }, specs);
    this.pieces.set(vector, pieces);
    return pieces;
  }

  /** What stands for a value of the old graph; a vector in pieces is joined, once. */
  private whole(value: Value): Value {
    const known = this.stands.get(value);
    if (known !== undefined) return known;
    if (!this.onlyPieces.has(value)) return value;
    const joined = this.joined(this.pieces.get(value)!, {});
    this.stands.set(value, joined);
    return joined;
  }

  private setPieces(value: Value, pieces: readonly Value[]): void {
    this.pieces.set(value, pieces);
    this.onlyPieces.add(value);
  }
}
