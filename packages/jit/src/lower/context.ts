import type { ConvGeometry } from './conv-geometry.js';
import {
  type ConstData,
  type KernelCall,
  type Node,
  sameShape,
  sizeOf,
  type TensorSpec,
  type Value,
} from '../graph/graph.js';
import type { Precision } from '@dm/ops';
import { OnnxBuilder, type OpOptions } from '../onnx/builder.js';
import type { OnnxAttr, OnnxModel } from '../onnx/proto.js';

/**
 * Memory layout of a tensor. `NHWC`: in the order of its axes, as in TF.js; any rank. `NCHW`: channels first, as ONNX
 * convolutions expect; rank 4 only.
 */
export type Layout = 'NHWC' | 'NCHW';

/** What the compiler knows about one TF.js kernel. */
export interface Kernel {
  /** Shape and type of each output. */
  infer(call: KernelCall): readonly TensorSpec[];
  /** Emits ONNX nodes and names their results with `ctx.set`. */
  lower(node: Node, ctx: LoweringContext): void;
}

/** Position in [N, C, H, W] of each axis of [N, H, W, C]. */
export const NCHW_AXIS = [0, 2, 3, 1] as const;
/** The same two orders as permutations. */
const NHWC_TO_NCHW = [0, 3, 1, 2] as const;
const NCHW_TO_NHWC = [0, 2, 3, 1] as const;

/** Reorders values given per axis, from [N, H, W, C] to the order of `layout`. */
export const inLayout = <T>(layout: Layout, perAxis: readonly T[]): T[] =>
  layout === 'NCHW' ? NHWC_TO_NCHW.map((axis) => perAxis[axis]!) : [...perAxis];

/**
 * What a graph is lowered for:
 * - `cpu`: ONNX Runtime's CPU provider in this process, including operators that only it has.
 * - `gpu`: a session on a device. Standard ONNX operators (opset 20) only; what devices lack or compute wrongly is
 *   written with other operators.
 * - `file`: an .onnx file for any runtime. Standard ONNX operators only.
 */
export type LoweringTarget = 'cpu' | 'gpu' | 'file';

type Attributes = Readonly<Record<string, OnnxAttr>>;

/** A filter of a convolution on blocked tensors, before its blocks are formed. */
export interface FilterOfTaps {
  /** In TF.js's order, [taps, I, O] with taps = kh · kw. */
  readonly filter: string;
  /** The channel axis of `filter` that the convolution sums over: the second (I) or the third (O, for dx). */
  readonly over: 'in' | 'out';
  readonly kernel: readonly [number, number];
  readonly inChannels: number;
  readonly outChannels: number;
}

/** A convolution of an image whose channels are not yet in blocks. */
export interface BlockedConv extends FilterOfTaps {
  /** [N, I, H, W] */
  readonly x: string;
  readonly bias?: string | undefined;
  readonly attrs: Attributes;
}

/**
 * How convolutions are lowered to the blocked ones of the runtime's CPU provider (see blocked-conv.ts). Node's engine
 * passes them to the compiler if its runtime has them; pages do not load this code.
 */
export interface BlockedConvolutions {
  /** Channels per block. */
  readonly block: number;
  conv(conv: BlockedConv, ctx: LoweringContext): string;
  filter(filter: FilterOfTaps, ctx: LoweringContext): string;
  convOfBlocks(operands: readonly string[], attrs: Attributes, ctx: LoweringContext): string;
  convOverBlocks(operands: readonly string[], outChannels: number, attrs: Attributes, ctx: LoweringContext): string;
  toBlocks(x: string, ctx: LoweringContext): string;
  fromBlocks(x: string, channels: number, ctx: LoweringContext): string;
  weightGradient(x: Value, dy: Value, geometry: ConvGeometry, ctx: LoweringContext): string;
  hasWeightGradient(geometry: ConvGeometry): boolean;
}

export interface LowerOptions {
  /** Default: `cpu`. */
  readonly target?: LoweringTarget;
  /** Blocked convolutions of the runtime, for the target `cpu`. Default: none. */
  readonly blocked?: BlockedConvolutions | undefined;
}

/**
 * State of one lowering from a traced graph to ONNX. It records the layouts in which each traced value is available; a
 * request for another layout inserts the transpose, once. Layouts therefore follow from use: convolutions request NCHW,
 * element-wise ops keep the layout of their operands, and no transpose remains between two convolutions.
 */
export class LoweringContext {
  readonly onnx = new OnnxBuilder();
  private readonly names = new Map<Value, Map<Layout, string>>();
  private readonly constants = new Map<Value, Node>();
  /** The operand of each reshape emitted so far, by the name of its result. */
  private readonly reshapes = new Map<string, string>();
  /** Shapes of traced values, by their names. */
  private readonly shapes = new Map<string, readonly number[]>();
  /** The operand and the permutation of each transpose emitted so far, by the name of its result. */
  private readonly transposes = new Map<string, { readonly source: string; readonly perm: readonly number[] }>();

  readonly target: LoweringTarget;
  /** The runtime's blocked convolutions, if it has them. */
  readonly blocked: BlockedConvolutions | undefined;
  /** Channels per block of `blocked`; 0 without them. */
  readonly block: number;

  /** Precision of the products of the node that is being lowered; files are always float32. */
  precision: Precision = 'f32';

  constructor({ target = 'cpu', blocked }: LowerOptions = {}) {
    this.target = target;
    this.blocked = target === 'cpu' ? blocked : undefined;
    this.block = this.blocked?.block ?? 0;
  }

  /** `blocked`, if these numbers of channels fill whole blocks. */
  blockedFor(...channels: readonly number[]): BlockedConvolutions | undefined {
    return channels.every((count) => count % this.block === 0) ? this.blocked : undefined;
  }

  /** The nodes, constants, and opsets emitted so far. */
  model(name: string): Pick<OnnxModel, 'name' | 'nodes' | 'initializers' | 'opsets'> {
    const { nodes, initializers } = this.onnx;
    const opsets = Object.fromEntries(
      ['', ...new Set(nodes.map((node) => node.domain))].map((domain) => [domain, domain === '' ? 20 : 1]),
    );
    return { name, nodes, initializers, opsets };
  }

  set(value: Value, name: string, layout: Layout = 'NHWC'): void {
    const known = this.names.get(value) ?? new Map<Layout, string>();
    known.set(layout, name);
    this.names.set(value, known);
    this.shapes.set(name, inLayout(layout, value.shape));
  }

  setConst(value: Value, node: Node): void {
    this.constants.set(value, node);
  }

  /** The value that all elements of a constant share, if `value` is such a constant. */
  splat(value: Value): number | undefined {
    return this.constants.get(value)?.attrs['splat'] as number | undefined;
  }

  has(value: Value, layout: Layout): boolean {
    return this.names.get(value)?.has(layout) === true;
  }

  /** A layout in which the value is already available. */
  layoutOf(value: Value): Layout {
    return this.has(value, 'NCHW') && !this.has(value, 'NHWC') ? 'NCHW' : 'NHWC';
  }

  get(value: Value, layout: Layout = 'NHWC'): string {
    const constant = this.constants.get(value);
    if (constant !== undefined && !this.names.has(value)) this.set(value, this.constant(value, constant));
    const known = this.names.get(value);
    if (known === undefined) throw new Error(`value %${value.id} is used before it is defined`);
    const name = known.get(layout);
    if (name !== undefined) return name;
    if (value.shape.length !== 4) throw new Error(`layout ${layout} is for rank 4, not [${value.shape.join(', ')}]`);
    const [from, perm] = layout === 'NCHW' ? (['NHWC', NHWC_TO_NCHW] as const) : (['NCHW', NCHW_TO_NHWC] as const);
    const [, h, w, c] = value.shape;
    const source = known.get(from)!;
    const converted =
      (h === 1 && w === 1) || c === 1
        ? this.reshape(source, inLayout(layout, value.shape))
        : this.transpose(source, perm);
    this.set(value, converted, layout);
    return converted;
  }

  /**
   * An operand of an element-wise op of rank `rank` in `layout`, shaped to broadcast against the op's other operands. A
   * repeated-number constant becomes a scalar.
   */
  operand(value: Value, rank: number, layout: Layout): string {
    const splat = this.splat(value);
    if (splat !== undefined) return this.scalar(splat, value);
    if (sizeOf(value.shape) === 1) return this.get(value, this.layoutOf(value));
    if (layout === 'NHWC') return this.get(value);
    const shape = [...Array<number>(rank - value.shape.length).fill(1), ...value.shape];
    if (sameShape(shape, value.shape)) return this.get(value, layout);
    const padded = this.reshape(this.get(value), shape);
    if ((shape[1] === 1 && shape[2] === 1) || shape[3] === 1) return this.reshape(padded, inLayout(layout, shape));
    return this.transpose(padded, NHWC_TO_NCHW);
  }

  scalar(value: number, like: TensorSpec): string {
    return this.onnx.constant(like.dtype, [], typedArray(like, [value]));
  }

  /**
   * Axis i of the result is axis perm[i] of the operand. A transpose of a transpose becomes a single one, or none; the
   * first one is dropped if nothing else uses it.
   */
  transpose(name: string, perm: readonly number[]): string {
    const first = this.transposes.get(name);
    if (first !== undefined)
      return this.transpose(
        first.source,
        perm.map((axis) => first.perm[axis]!),
      );
    if (perm.every((axis, i) => axis === i)) return name;
    const result = this.onnx.op('Transpose', [name], { attrs: { perm: { ints: perm } } });
    this.transposes.set(result, { source: name, perm });
    return result;
  }

  /**
   * `shape` may contain -1. A reshape of a reshape becomes a single one, or none; the first one is dropped if nothing else
   * uses it.
   */
  reshape(name: string, shape: readonly number[]): string {
    const source = this.reshapes.get(name) ?? name;
    const known = this.shapes.get(source);
    if (known !== undefined && sameShape(known, shape)) return source;
    const result = this.onnx.op('Reshape', [source, this.onnx.ints(shape)], { attrs: { allowzero: { int: 1 } } });
    this.reshapes.set(result, source);
    return result;
  }

  /** Records the shape of a node's result, which `reshape` then need not change to it. */
  shaped(name: string, shape: readonly number[]): string {
    this.shapes.set(name, shape);
    return name;
  }

  cast(name: string, dtype: keyof typeof castTypes): string {
    return this.onnx.op('Cast', [name], { attrs: { to: { int: castTypes[dtype] } } });
  }

  sum(name: string, axes: readonly number[], keepDims: boolean): string {
    if (axes.length === 0) return name; // in ONNX an empty list of axes means all axes
    return this.onnx.op('ReduceSum', [name, this.onnx.ints(axes)], { attrs: { keepdims: { int: keepDims ? 1 : 0 } } });
  }

  mean(name: string, axes: readonly number[], keepDims: boolean): string {
    return this.onnx.op('ReduceMean', [name, this.onnx.ints(axes)], { attrs: { keepdims: { int: keepDims ? 1 : 0 } } });
  }

  /**
   * Emits a product of float32 operands, such as MatMul or Conv, in the node's precision: the operands are cast to the
   * type, and the result to float32. To emulate the type, operands and result are rounded to it by casts both ways. Sums
   * that are written as products must not use this.
   */
  product(op: string, operands: readonly string[], options: OpOptions = {}): string {
    if (!this.isHalf) return this.onnx.op(op, operands, options);
    const type = this.precision.startsWith('bf16') ? 'bfloat16' : 'float16';
    const half = (name: string) => this.cast(name, type);
    const rounded = (name: string) => this.cast(half(name), 'float32');
    return this.precision.endsWith('emulated')
      ? rounded(this.onnx.op(op, operands.map(rounded), options))
      : this.cast(this.onnx.op(op, operands.map(half), options), 'float32');
  }

  private get isHalf(): boolean {
    return this.precision !== 'f32' && this.target !== 'file';
  }

  /**
   * alpha · op(a) · op(b) over the last two axes, with optional transposes, batched over the other axes. `rank` is one
   * for both operands, or one for each.
   */
  matMul(
    a: string,
    b: string,
    rank: number | readonly [a: number, b: number],
    { transA = false, transB = false, alpha = 1 } = {},
  ): string {
    if (alpha !== 1 && this.isHalf) {
      // Before the product, which could overflow. Not a factor of a: the forward and the backward product of attention
      // would become equal, see lower/attention.ts.
      return this.matMul(a, this.onnx.op('Mul', [b, this.onnx.float(alpha)]), rank, { transA, transB });
    }
    if (!transA && !transB && alpha === 1) return this.product('MatMul', [a, b]);
    if (this.target === 'cpu') {
      return this.product('FusedMatMul', [a, b], {
        domain: 'com.microsoft',
        attrs: {
          transA: { int: transA ? 1 : 0 },
          transB: { int: transB ? 1 : 0 },
          ...(alpha === 1 ? {} : { alpha: { float: alpha } }),
        },
      });
    }
    const [rankA, rankB] = typeof rank === 'number' ? [rank, rank] : rank;
    const transposed = (name: string, axes: number) =>
      this.transpose(name, [...Array(axes - 2).keys(), axes - 1, axes - 2]);
    const product = this.product('MatMul', [transA ? transposed(a, rankA) : a, transB ? transposed(b, rankB) : b]);
    return alpha === 1 ? product : this.onnx.op('Mul', [product, this.onnx.float(alpha)]);
  }

  private constant(value: Value, node: Node): string {
    const splat = this.splat(value);
    if (splat === undefined) return this.onnx.constant(value.dtype, value.shape, node.attrs['data'] as ConstData);
    const scalar = this.scalar(splat, value);
    if (value.shape.length === 0) return scalar;
    return this.onnx.op('Expand', [scalar, this.onnx.ints(value.shape)]);
  }
}

/** TensorProto.DataType of the types that a cast can have. */
const castTypes = { float32: 1, int32: 6, bool: 9, float16: 10, bfloat16: 16 } as const;

/** The number that every element of a filled tensor has, in the tensor's type. */
export const filledWith = (value: unknown, output: { dtype: TensorSpec['dtype'] }): number =>
  typedArray(output, [Number(value)])[0]!;

export function typedArray({ dtype }: { dtype: TensorSpec['dtype'] }, values: readonly number[]): ConstData {
  if (dtype === 'float32') return Float32Array.from(values);
  return dtype === 'int32' ? Int32Array.from(values) : Uint8Array.from(values);
}
