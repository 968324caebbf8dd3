import { backend_util } from '@tensorflow/tfjs-core';
import type { DType } from '@dm/ops';
import { input, type KernelCall, type Node, sizeOf, type Value } from '../graph/graph.js';
import { inLayout, type Kernel, type Layout, type LoweringContext } from './context.js';

type Build = (operands: readonly string[], ctx: LoweringContext, node: Node) => string;

/** NCHW if one operand is available only in NCHW; all operands are then converted to it. */
function commonLayout(values: readonly Value[], rank: number, ctx: LoweringContext): Layout {
  return rank === 4 && values.some((v) => v.shape.length === 4 && ctx.layoutOf(v) === 'NCHW') ? 'NCHW' : 'NHWC';
}

const broadcastShape = (values: readonly Value[]): number[] =>
  values.map((v) => [...v.shape]).reduce((a, b) => backend_util.assertAndGetBroadcastShape(a, b));

/**
 * A kernel that works element by element on broadcast operands; the result has the first operand's type, or `dtype`.
 */
function elementwise(build: Build, dtype?: DType | ((call: KernelCall) => DType)): Kernel {
  return {
    infer: (call) => [
      {
        shape: broadcastShape(call.inputs),
        dtype: typeof dtype === 'function' ? dtype(call) : (dtype ?? call.inputs[0]!.dtype),
      },
    ],
    lower(node, ctx) {
      const output = node.outputs[0]!;
      const rank = output.shape.length;
      const layout = commonLayout(node.inputs, rank, ctx);
      const operands = node.inputs.map((v) => ctx.operand(v, rank, layout));
      const shape = inLayout(layout, output.shape);
      const result = isSlow(node, shape, ctx)
        ? flattened(build, operands, shape, ctx, node)
        : build(operands, ctx, node);
      const covered = node.inputs.some((v) => ctx.splat(v) === undefined && sameSize(v, output));
      ctx.set(output, covered ? result : expand(result, output, layout, ctx), layout);
    },
  };
}

/**
 * ONNX Runtime's CPU provider calls a kernel for each element if an operand is a single number and the last axis of the
 * others is 1, as in gray images: 590 instead of 20 us for 50,176 elements.
 */
function isSlow({ inputs, outputs: [output] }: Node, shape: readonly number[], ctx: LoweringContext): boolean {
  if (ctx.target !== 'cpu' || shape.length < 2 || shape.at(-1) !== 1) return false;
  const others = inputs.filter((v) => !isSingle(v, ctx));
  return others.length > 0 && others.length < inputs.length && others.every((v) => sameSize(v, output!));
}

/** Whether an operand is a single number, which a repeated one becomes. */
const isSingle = (value: Value, ctx: LoweringContext): boolean =>
  ctx.splat(value) !== undefined || sizeOf(value.shape) === 1;

/** Builds a node of operands of this shape, or single numbers, on vectors. */
function flattened(
  build: Build,
  operands: readonly string[],
  shape: readonly number[],
  ctx: LoweringContext,
  node: Node,
): string {
  const vector = [sizeOf(shape)];
  const flat = operands.map((name, i) => {
    const value = node.inputs[i]!;
    if (!isSingle(value, ctx)) return ctx.reshape(name, vector);
    return ctx.splat(value) !== undefined || value.shape.length < 2 ? name : ctx.reshape(name, []);
  });
  return ctx.reshape(ctx.shaped(build(flat, ctx, node), vector), shape);
}

const sameSize = (a: Value, b: Value): boolean =>
  a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);

// If operands were replaced by scalars, they no longer determine the output's shape.
function expand(name: string, output: Value, layout: Layout, ctx: LoweringContext): string {
  if (output.shape.length === 0) return name;
  const shape = layout === 'NCHW' ? [0, 3, 1, 2].map((axis) => output.shape[axis]!) : output.shape;
  return ctx.onnx.op('Expand', [name, ctx.onnx.ints(shape)]);
}

const op =
  (name: string): Build =>
  (operands, { onnx }) =>
    onnx.op(name, operands);

const unary = (name: string) => elementwise(op(name));
const binary = (name: string) => elementwise(op(name));
const comparison = (name: string) => elementwise(op(name), 'bool');

/**
 * floor(a / b) as int32, as in TF.js's cpu backend; computed in float64, since ONNX integer division rounds toward
 * zero.
 */
const floorDiv: Build = ([a, b], ctx) => {
  const double = (x: string) => ctx.onnx.op('Cast', [x], { attrs: { to: { int: 11 } } });
  return ctx.cast(ctx.onnx.op('Floor', [ctx.onnx.op('Div', [double(a!), double(b!)])]), 'int32');
};

/** The remainder with the divisor's sign: fmod(a, b), plus b if their signs differ. ONNX's Mod of integers is that. */
const floorMod: Build = ([a, b], { onnx }, node) => {
  if (node.outputs[0]!.dtype === 'int32') return onnx.op('Mod', [a!, b!]);
  const rest = onnx.op('Mod', [a!, b!], { attrs: { fmod: { int: 1 } } });
  const signs = onnx.op('Mul', [onnx.op('Sign', [rest]), onnx.op('Sign', [b!])]);
  return onnx.op('Where', [onnx.op('Less', [signs, onnx.float(0)]), onnx.op('Add', [rest, b!]), rest]);
};

/** exp(x) - 1 = 2 sinh(x / 2) exp(x / 2), used near 0, since the difference cancels there. */
const expm1: Build = ([x], { onnx }) => {
  const half = onnx.op('Mul', [x!, onnx.float(0.5)]);
  const near = onnx.op('Mul', [onnx.op('Mul', [onnx.op('Sinh', [half]), onnx.op('Exp', [half])]), onnx.float(2)]);
  const far = onnx.op('Sub', [onnx.op('Exp', [x!]), onnx.float(1)]);
  return onnx.op('Where', [onnx.op('Less', [onnx.op('Abs', [x!]), onnx.float(0.5)]), near, far]);
};

/** log(1 + x) = 2 atanh(x / (2 + x)), used near 0, since 1 + x rounds there. */
const log1p: Build = ([x], { onnx }) => {
  const ratio = onnx.op('Div', [x!, onnx.op('Add', [x!, onnx.float(2)])]);
  const near = onnx.op('Mul', [onnx.op('Atanh', [ratio]), onnx.float(2)]);
  const far = onnx.op('Log', [onnx.op('Add', [x!, onnx.float(1)])]);
  const isNear = onnx.op('Less', [onnx.op('Abs', [x!]), onnx.float(0.5)]);
  return onnx.op('Where', [isNear, near, far]);
};

/** Atan2 by quadrants: atan(y / x), plus or minus pi if x < 0; on the axis x = 0, ±pi / 2 or 0. */
const atan2: Build = ([y, x], { onnx }) => {
  const zero = onnx.float(0);
  const atan = onnx.op('Atan', [onnx.op('Div', [y!, x!])]);
  const turn = onnx.op('Where', [onnx.op('Less', [y!, zero]), onnx.float(-Math.PI), onnx.float(Math.PI)]);
  const left = onnx.op('Add', [atan, turn]);
  const sign = onnx.op('Mul', [onnx.op('Sign', [y!]), onnx.float(Math.PI / 2)]);
  const turned = onnx.op('Where', [onnx.op('Less', [x!, zero]), left, atan]);
  return onnx.op('Where', [onnx.op('Equal', [x!, zero]), sign, turned]);
};

const step: Build = ([x], ctx, node) => {
  const { onnx } = ctx;
  const positive = onnx.op('Greater', [x!, onnx.float(0)]);
  const result = onnx.op('Where', [positive, onnx.float(1), onnx.float((node.attrs['alpha'] as number) ?? 0)]);
  return onnx.op('Where', [isNan([x!], ctx, node), x!, result]);
};

/** -1, 0, or 1; 0 for NaN, as in TF.js. */
const sign: Build = ([x], ctx, node) => {
  const { dtype } = node.outputs[0]!;
  const zero = ctx.scalar(0, node.outputs[0]!);
  const positive = ctx.cast(ctx.onnx.op('Greater', [x!, zero]), dtype);
  return ctx.onnx.op('Sub', [positive, ctx.cast(ctx.onnx.op('Less', [x!, zero]), dtype)]);
};

const not: Build = ([x], { onnx }) => onnx.op('Not', [x!]);

/** The largest finite float32. */
const MAX_FLOAT = 3.4028234663852886e38;

/** Devices have no IsInf and no IsNaN: there, |x| is compared with the largest number, as NaN compares false. */
const compareMagnitude = (relation: 'LessOrEqual' | 'Greater', x: string, { onnx }: LoweringContext): string =>
  onnx.op(relation, [onnx.op('Abs', [x]), onnx.float(MAX_FLOAT)]);

const isFinite: Build = ([x], ctx) => {
  const { onnx, target } = ctx;
  if (target === 'gpu') return compareMagnitude('LessOrEqual', x!, ctx);
  return onnx.op('Not', [onnx.op('Or', [onnx.op('IsInf', [x!]), onnx.op('IsNaN', [x!])])]);
};

const isInf: Build = ([x], ctx) =>
  ctx.target === 'gpu' ? compareMagnitude('Greater', x!, ctx) : ctx.onnx.op('IsInf', [x!]);

/** Whether an element is NaN. */
export const isNan: Build = ([x], ctx) => {
  const { onnx, target } = ctx;
  if (target !== 'gpu') return onnx.op('IsNaN', [x!]);
  const finite = compareMagnitude('LessOrEqual', x!, ctx);
  return onnx.op('Not', [either(finite, compareMagnitude('Greater', x!, ctx), ctx)]);
};

/** a or b; devices have no Or. */
function either(a: string, b: string, { onnx, target }: LoweringContext): string {
  if (target !== 'gpu') return onnx.op('Or', [a, b]);
  return onnx.op('Not', [onnx.op('And', [onnx.op('Not', [a]), onnx.op('Not', [b])])]);
}

const square: Build = ([x], { onnx }) => onnx.op('Mul', [x!, x!]);

const clip: Build = ([x], ctx, node) => {
  const { clipValueMin, clipValueMax } = node.attrs as { clipValueMin: number; clipValueMax: number };
  const like = node.inputs[0]!;
  // Bounds of integers may be infinite.
  const bound = (value: number) =>
    ctx.scalar(like.dtype === 'int32' ? Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), value)) : value, like);
  return ctx.onnx.op('Clip', [x!, bound(clipValueMin), bound(clipValueMax)]);
};

/** The runtime would fuse a Relu of integers with a Clip, which fails. */
const relu: Build = ([x], ctx, node) =>
  node.outputs[0]!.dtype === 'int32'
    ? ctx.onnx.op('Max', [x!, ctx.scalar(0, node.outputs[0]!)])
    : ctx.onnx.op('Relu', [x!]);

/** ONNX Runtime's CPU provider approximates the sigmoid by a rational function, which is 0 below -18. */
const sigmoid: Build = ([x], { onnx, target }) => {
  const middle = onnx.op('Sigmoid', [x!]);
  if (target !== 'cpu') return middle;
  const power = onnx.op('Exp', [x!]);
  const low = onnx.op('Div', [power, onnx.op('Add', [power, onnx.float(1)])]);
  return onnx.op('Where', [onnx.op('Less', [x!, onnx.float(-8)]), low, middle]);
};

/** Gradient of elu from its output y: dy if y >= 0, else dy (y + 1). */
const eluGrad: Build = ([dy, y], { onnx }) => {
  const negative = onnx.op('Mul', [dy!, onnx.op('Add', [y!, onnx.float(1)])]);
  return onnx.op('Where', [onnx.op('GreaterOrEqual', [y!, onnx.float(0)]), dy!, negative]);
};

const addN: Build = (operands, { onnx }) => operands.reduce((a, b) => onnx.op('Add', [a, b]));

const cast: Build = ([x], ctx, node) => {
  const from = node.inputs[0]!.dtype;
  const to = node.outputs[0]!.dtype;
  return from === to ? x! : ctx.cast(x!, to);
};

const withAttr =
  (name: string, attrs: Readonly<Record<string, number>>): Build =>
  (operands, { onnx }) =>
    onnx.op(name, operands, {
      attrs: Object.fromEntries(Object.entries(attrs).map(([key, float]) => [key, { float }])),
    });

const relu6: Build = ([x], { onnx }) => onnx.op('Clip', [x!, onnx.float(0), onnx.float(6)]);

const leakyRelu: Build = ([x], { onnx }, node) =>
  onnx.op('LeakyRelu', [x!], { attrs: { alpha: { float: node.attrs['alpha'] as number } } });

/** The runtime cannot select booleans. */
const selectBool: Build = ([condition, a, b], ctx) => {
  const { onnx } = ctx;
  const other = onnx.op('And', [onnx.op('Not', [condition!]), b!]);
  return either(onnx.op('And', [condition!, a!]), other, ctx);
};

const select: Kernel = {
  infer: (call) => {
    const t = input(call, 't');
    return [{ shape: broadcastShape(call.inputs), dtype: t.dtype }];
  },
  lower: (node, ctx) => elementwise(node.outputs[0]!.dtype === 'bool' ? selectBool : op('Where')).lower(node, ctx),
};

export const elementwiseKernels: Readonly<Record<string, Kernel>> = {
  Abs: unary('Abs'),
  Acos: unary('Acos'),
  Acosh: unary('Acosh'),
  Add: binary('Add'),
  AddN: elementwise(addN),
  Asin: unary('Asin'),
  Asinh: unary('Asinh'),
  Atan: unary('Atan'),
  Atan2: elementwise(atan2),
  Atanh: unary('Atanh'),
  Cast: elementwise(cast, (call) => call.attrs['dtype'] as DType),
  Ceil: unary('Ceil'),
  ClipByValue: elementwise(clip),
  Cos: unary('Cos'),
  Cosh: unary('Cosh'),
  Elu: unary('Elu'),
  EluGrad: elementwise(eluGrad),
  Equal: comparison('Equal'),
  Erf: unary('Erf'),
  Exp: unary('Exp'),
  Expm1: elementwise(expm1),
  Floor: unary('Floor'),
  FloorDiv: elementwise(floorDiv, 'int32'),
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  IsFinite: elementwise(isFinite, 'bool'),
  IsInf: elementwise(isInf, 'bool'),
  IsNan: elementwise(isNan, 'bool'),
  LeakyRelu: elementwise(leakyRelu),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  Log: unary('Log'),
  Log1p: elementwise(log1p),
  LogicalAnd: comparison('And'),
  LogicalNot: elementwise(not, 'bool'),
  LogicalOr: elementwise(([a, b], ctx) => either(a!, b!, ctx), 'bool'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Mod: elementwise(floorMod),
  Multiply: binary('Mul'),
  Neg: unary('Neg'),
  NotEqual: elementwise(([a, b], { onnx }) => onnx.op('Not', [onnx.op('Equal', [a!, b!])]), 'bool'),
  Pow: binary('Pow'),
  Prelu: binary('PRelu'),
  RealDiv: binary('Div'),
  Reciprocal: unary('Reciprocal'),
  Relu: elementwise(relu),
  Relu6: elementwise(relu6),
  Round: unary('Round'),
  Rsqrt: elementwise(([x], { onnx }) => onnx.op('Reciprocal', [onnx.op('Sqrt', [x!])])),
  Select: select,
  Selu: elementwise(withAttr('Selu', { alpha: 1.6732632423543772, gamma: 1.0507009873554805 })),
  Sigmoid: elementwise(sigmoid),
  Sign: elementwise(sign),
  Sin: unary('Sin'),
  Sinh: unary('Sinh'),
  Softplus: unary('Softplus'),
  Sqrt: unary('Sqrt'),
  Square: elementwise(square),
  SquaredDifference: elementwise(([a, b], ctx, node) => square([ctx.onnx.op('Sub', [a!, b!])], ctx, node)),
  Step: elementwise(step),
  Sub: binary('Sub'),
  Tan: unary('Tan'),
  Tanh: unary('Tanh'),
};
