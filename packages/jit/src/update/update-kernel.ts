import { type ConstData, type Graph, type Node, sizeOf, type Value } from '../graph/graph.js';
import type { Port } from '../graph/port.js';
import { type Code, code, wasmModule } from './wasm-encoder.js';

/** A WebAssembly function that computes new vectors from old ones, four elements at a time. */
export interface UpdateKernel {
  /**
   * Its module, which exports `update(begin, end, ...addresses, ...scalars)`. It processes the bytes from `begin` to
   * `end`, multiples of 16, of the vectors at `addresses`.
   */
  readonly bytes: Uint8Array;
  /** The graph's vector inputs and outputs, in the order of their addresses: `reads`, then `writes`. */
  readonly reads: readonly Port[];
  readonly writes: readonly Port[];
  /** The scalar inputs. */
  readonly scalars: readonly Port[];
}

const { lanes } = code;

const unary =
  (instruction: Code) =>
  (x: Code): Code => [...x, ...instruction];
const binary =
  (instruction: Code) =>
  (x: Code, y: Code): Code => [...x, ...y, ...instruction];
const one: Code = [...code.f32(1), ...code.splat];
const zero: Code = [...code.f32(0), ...code.splat];
const [subtract, multiply, divide, root] = [
  binary(lanes.sub),
  binary(lanes.mul),
  binary(lanes.div),
  unary(lanes.sqrt),
] as const;
/** 1 if a comparison with 0 holds, else 0. */
const whether = (comparison: Code, x: Code): Code => [...x, ...zero, ...comparison, ...one, ...code.and];
const square = (x: Code): Code => multiply(x, x);

/** Each kernel as instructions that leave its result on the stack; operands are instructions that push a value. */
const instructions: Readonly<Record<string, (x: Code, y: Code) => Code>> = {
  Abs: unary(lanes.abs),
  Add: binary(lanes.add),
  Maximum: binary(lanes.max),
  Minimum: binary(lanes.min),
  Multiply: multiply,
  Neg: unary(lanes.neg),
  RealDiv: divide,
  Reciprocal: (x) => divide(one, x),
  Rsqrt: (x) => divide(one, root(x)),
  Sign: (x) => subtract(whether(lanes.above, x), whether(lanes.below, x)),
  Sqrt: root,
  Square: square,
  // A value on the stack cannot be read twice, so the difference is computed again.
  SquaredDifference: (x, y) => square(subtract(x, y)),
  Sub: subtract,
};

/** Whether a TF.js kernel can be part of an update: it is element-wise and has an instruction. */
export const isInstruction = (kernel: string): boolean => Object.hasOwn(instructions, kernel);

/** Whether all elements of a constant are equal. */
export const isOneNumber = ({ attrs, outputs }: Node): boolean =>
  outputs[0]!.dtype === 'float32' && (attrs['splat'] !== undefined || sizeOf(outputs[0]!.shape) === 1);

const isScalar = ({ shape }: Value): boolean => sizeOf(shape) === 1;

/**
 * Compiles `graph` to one loop. Its inputs must be vectors of one length and scalars, its outputs such vectors, and its
 * nodes constants or kernels for which `isInstruction` is true, all float32. Each element is read before anything is
 * written at its position, so that a vector may overwrite another one, or itself. Operations round as ONNX's do:
 * results are bit-identical.
 * @throws {Error} on any other graph
 */
export function updateKernel(graph: Graph): UpdateKernel {
  for (const { value } of graph.inputs) {
    if (value.dtype !== 'float32') throw new Error(`an update must be float32, not ${value.dtype}`);
  }
  const scalarInputs = graph.inputs.filter(({ value }) => isScalar(value));
  const reads = graph.inputs.filter(({ value }) => !isScalar(value));
  const [begin, end] = [0, 1];
  const addresses = 2;
  const scalars = addresses + reads.length + graph.outputs.length;
  const params = [...Array<'i32'>(scalars).fill('i32'), ...scalarInputs.map(() => 'f32' as const)];

  // Every value has its own local: four elements of a vector, or a scalar repeated four times.
  const local = new Map<Value, number>();
  const reserve = (value: Value): number => {
    const index = params.length + local.size;
    local.set(value, index);
    return index;
  };
  const set = (value: Value, made: Code): Code => [...made, ...code.set(reserve(value))];
  const get = (value: Value): Code => {
    const index = local.get(value);
    if (index === undefined) throw new Error(`value %${value.id} of an update is used before it is defined`);
    return code.get(index);
  };
  const addressOf = (vector: number): Code => [...code.get(addresses + vector), ...code.get(begin), ...code.addI32];
  const made = (node: Node): Code => {
    const output = node.outputs[0]!;
    if (node.op === 'Const') return set(output, [...code.f32(constantOf(node)), ...code.splat]);
    if (!isInstruction(node.op)) throw new Error(`${node.op} cannot be part of an update`);
    const [x, y = []] = node.inputs.map(get) as [Code, Code?];
    return set(output, instructions[node.op]!(x, y));
  };

  const before = [
    ...scalarInputs.flatMap(({ value }, i) => set(value, [...code.get(scalars + i), ...code.splat])),
    ...graph.nodes.filter(({ outputs }) => isScalar(outputs[0]!)).flatMap(made),
  ];
  const body = [
    ...reads.flatMap(({ value }, i) => set(value, [...addressOf(i), ...code.load])),
    ...graph.nodes.filter(({ outputs }) => !isScalar(outputs[0]!)).flatMap(made),
    ...graph.outputs.flatMap(({ value }, i) => [...addressOf(reads.length + i), ...get(value), ...code.store]),
    ...code.upTo(begin, 16, end),
  ];
  const locals = Array.from(local, () => 'v128' as const);
  return {
    bytes: wasmModule(params, locals, [...before, ...code.loop(body)]),
    reads: reads.map(({ port }) => port),
    writes: graph.outputs.map(({ port }) => port),
    scalars: scalarInputs.map(({ port }) => port),
  };
}

function constantOf(node: Node): number {
  if (!isOneNumber(node)) throw new Error('a constant of an update must be a single float32 number');
  return (node.attrs['splat'] as number | undefined) ?? (node.attrs['data'] as ConstData)[0]!;
}
