import { slice_util, util } from '@tensorflow/tfjs-core';
import { input, type KernelCall, type Node, sizeOf, specOf } from '../graph/graph.js';
import { NCHW_AXIS, inLayout, type Kernel, type Layout, type LoweringContext } from './context.js';

/**
 * A kernel that moves elements axis by axis and therefore works in either layout: `emit` gets its per-axis entries
 * reordered.
 */
function axiswise(
  infer: Kernel['infer'],
  emit: (operand: string, node: Node, layout: Layout, ctx: LoweringContext) => string,
): Kernel {
  return {
    infer,
    lower(node, ctx) {
      const x = node.inputs[0]!;
      const layout = ctx.layoutOf(x);
      ctx.set(node.outputs[0]!, emit(ctx.get(x, layout), node, layout, ctx), layout);
    },
  };
}

const reshapeTo = (shapeOf: (call: KernelCall) => readonly number[]): Kernel => ({
  infer: (call) => [{ shape: shapeOf(call), dtype: call.inputs[0]!.dtype }],
  lower(node, ctx) {
    const output = node.outputs[0]!;
    ctx.set(output, ctx.reshape(ctx.get(node.inputs[0]!), output.shape));
  },
});

const reshape = reshapeTo((call) =>
  util.inferFromImplicitShape([...(call.attrs['shape'] as number[])], sizeOf(call.inputs[0]!.shape)),
);

const expandDims = reshapeTo((call) => {
  const { shape } = call.inputs[0]!;
  const dim = call.attrs['dim'] as number;
  return shape.toSpliced(dim < 0 ? shape.length + dim + 1 : dim, 0, 1);
});

const identity: Kernel = {
  infer: (call) => [specOf(call.inputs[0]!)],
  lower(node, ctx) {
    const x = node.inputs[0]!;
    const layout = ctx.layoutOf(x);
    ctx.set(node.outputs[0]!, ctx.get(x, layout), layout);
  },
};

const transpose: Kernel = {
  infer: (call) => {
    const x = call.inputs[0]!;
    return [{ shape: (call.attrs['perm'] as number[]).map((axis) => x.shape[axis]!), dtype: x.dtype }];
  },
  lower(node, ctx) {
    ctx.set(node.outputs[0]!, ctx.transpose(ctx.get(node.inputs[0]!), node.attrs['perm'] as number[]));
  },
};

/** Axis of the inputs. */
const inputAxis = (call: KernelCall): number => {
  const axis = call.attrs['axis'] as number;
  return axis < 0 ? axis + call.inputs[0]!.shape.length : axis;
};

const concat: Kernel = {
  infer: (call) => {
    const axis = inputAxis(call);
    const total = call.inputs.reduce((n, v) => n + v.shape[axis]!, 0);
    return [{ shape: call.inputs[0]!.shape.with(axis, total), dtype: call.inputs[0]!.dtype }];
  },
  lower(node, ctx) {
    const cf = node.inputs.some((v) => ctx.layoutOf(v) === 'NCHW');
    const layout = cf ? 'NCHW' : 'NHWC';
    const axis = cf ? NCHW_AXIS[inputAxis(node)]! : inputAxis(node);
    const parts = node.inputs.filter((v) => sizeOf(v.shape) > 0).map((v) => ctx.get(v, layout));
    if (parts.length === 0) return ctx.setConst(node.outputs[0]!, { ...node, attrs: { splat: 0 } });
    const only = parts.length === 1 ? parts[0] : undefined;
    ctx.set(node.outputs[0]!, only ?? ctx.onnx.op('Concat', parts, { attrs: { axis: { int: axis } } }), layout);
  },
};

/** Axis of Pack's output. */
const packAxis = (call: KernelCall): number => {
  const axis = call.attrs['axis'] as number;
  return axis < 0 ? axis + call.inputs[0]!.shape.length + 1 : axis;
};

const pack: Kernel = {
  infer: (call) => {
    const { shape, dtype } = call.inputs[0]!;
    return [{ shape: shape.toSpliced(packAxis(call), 0, call.inputs.length), dtype }];
  },
  lower(node, ctx) {
    const axis = packAxis(node);
    const parts = node.inputs.map((v) => ctx.reshape(ctx.get(v), v.shape.toSpliced(axis, 0, 1)));
    ctx.set(node.outputs[0]!, ctx.onnx.op('Concat', parts, { attrs: { axis: { int: axis } } }));
  },
};

const unpack: Kernel = {
  infer: (call) => {
    const { shape, dtype } = input(call, 'value');
    const axis = inputAxis(call);
    return Array.from({ length: shape[axis]! }, () => ({ shape: shape.toSpliced(axis, 1), dtype }));
  },
  lower(node, ctx) {
    const axis = inputAxis(node);
    const parts = split(
      ctx.get(node.inputs[0]!),
      axis,
      node.outputs.map(() => 1),
      ctx,
    );
    node.outputs.forEach((v, i) => ctx.set(v, ctx.reshape(parts[i]!, v.shape)));
  },
};

const splitSizes = (call: KernelCall): { axis: number; sizes: number[] } => {
  const x = input(call, 'x');
  const axis = util.parseAxisParam(call.attrs['axis'] as number, [...x.shape])[0]!;
  const given = call.attrs['numOrSizeSplits'] as number | number[];
  const total = x.shape[axis]!;
  if (typeof given === 'number') return { axis, sizes: Array<number>(given).fill(total / given) };
  const fixed = given.reduce((n, size) => n + Math.max(size, 0), 0);
  return { axis, sizes: given.map((size) => (size < 0 ? total - fixed : size)) };
};

/** The standard limit of WebGPU is 8 storage buffers per shader; one of them is the input. */
const MAX_SPLIT_OUTPUTS = 7;

/** Splits along an axis. On a device, a Split with more outputs than a shader can write becomes one Slice per output. */
function split(name: string, axis: number, sizes: readonly number[], ctx: LoweringContext): readonly string[] {
  if (sizes.length === 1) return [name];
  if (ctx.target === 'gpu' && sizes.length > MAX_SPLIT_OUTPUTS) {
    let end = 0;
    return sizes.map((size) => {
      const start = end;
      end += size;
      return ctx.onnx.op('Slice', [name, ...[start, end, axis].map((value) => ctx.onnx.ints([value]))]);
    });
  }
  return ctx.onnx.ops('Split', [name, ctx.onnx.ints(sizes)], { attrs: { axis: { int: axis } }, outputs: sizes.length });
}

const splitV: Kernel = {
  infer: (call) => {
    const { shape, dtype } = input(call, 'x');
    const { axis, sizes } = splitSizes(call);
    return sizes.map((size) => ({ shape: shape.with(axis, size), dtype }));
  },
  lower(node, ctx) {
    const x = node.inputs[0]!;
    const layout = ctx.layoutOf(x);
    const { axis, sizes } = splitSizes(node);
    const parts = split(ctx.get(x, layout), layout === 'NCHW' ? NCHW_AXIS[axis]! : axis, sizes, ctx);
    node.outputs.forEach((v, i) => ctx.set(v, parts[i]!, layout));
  },
};

/** starts, ends, and steps, one per axis. */
function sliceOp(
  x: string,
  starts: readonly number[],
  ends: readonly number[],
  steps: readonly number[],
  ctx: LoweringContext,
): string {
  const axes = ctx.onnx.ints(starts.map((_, i) => i));
  return ctx.onnx.op('Slice', [x, ctx.onnx.ints(starts), ctx.onnx.ints(ends), axes, ctx.onnx.ints(steps)]);
}

const sliceRange = (call: KernelCall): { begin: number[]; size: number[] } => {
  const { begin, size } = call.attrs as { begin: number | number[]; size: number | number[] };
  const [begins, sizes] = slice_util.parseSliceParams(input(call, 'x') as never, begin, size);
  return { begin: begins!, size: sizes! };
};

const slice: Kernel = axiswise(
  (call) => [{ shape: sliceRange(call).size, dtype: input(call, 'x').dtype }],
  (x, node, layout, ctx) => {
    const { begin, size } = sliceRange(node);
    const ends = begin.map((b, i) => b + size[i]!);
    return sliceOp(
      x,
      inLayout(layout, begin),
      inLayout(layout, ends),
      begin.map(() => 1),
      ctx,
    );
  },
);

function stridedRange(call: KernelCall) {
  const a = call.attrs as Record<string, number> & { begin: number[]; end: number[]; strides: number[] };
  return slice_util.sliceInfo(
    [...input(call, 'x').shape],
    a.begin,
    a.end,
    a.strides,
    a['beginMask']!,
    a['endMask']!,
    a['ellipsisMask']!,
    a['newAxisMask']!,
    a['shrinkAxisMask']!,
  );
}

const stridedSlice: Kernel = {
  infer: (call) => [{ shape: stridedRange(call).finalShape, dtype: input(call, 'x').dtype }],
  lower(node, ctx) {
    const { begin, end, strides, finalShape } = stridedRange(node);
    // An end of -1 with a negative step means "through the first element"; ONNX writes that as a very negative end.
    const ends = end.map((e, i) => (strides[i]! < 0 && e < 0 ? -(2 ** 31) : e));
    ctx.set(node.outputs[0]!, ctx.reshape(sliceOp(ctx.get(node.inputs[0]!), begin, ends, strides, ctx), finalShape));
  },
};

const reverse: Kernel = axiswise(
  (call) => [specOf(call.inputs[0]!)],
  (x, node, layout, ctx) => {
    const { shape } = node.inputs[0]!;
    const dims = util.parseAxisParam(node.attrs['dims'] as number[], [...shape]);
    const axes = layout === 'NCHW' ? dims.map((d) => NCHW_AXIS[d]!) : dims;
    const per = (value: number) => ctx.onnx.ints(axes.map(() => value));
    if (axes.length === 0) return x;
    return ctx.onnx.op('Slice', [x, per(-1), per(-(2 ** 31)), ctx.onnx.ints(axes), per(-1)]);
  },
);

const tile: Kernel = axiswise(
  (call) => {
    const x = input(call, 'x');
    const reps = call.attrs['reps'] as number[];
    return [{ shape: x.shape.map((d, i) => d * reps[i]!), dtype: x.dtype }];
  },
  (x, node, layout, ctx) => ctx.onnx.op('Tile', [x, ctx.onnx.ints(inLayout(layout, node.attrs['reps'] as number[]))]),
);

const padded: Kernel['infer'] = (call) => {
  const x = input(call, 'x');
  const paddings = call.attrs['paddings'] as [number, number][];
  return [{ shape: x.shape.map((d, i) => d + paddings[i]![0] + paddings[i]![1]), dtype: x.dtype }];
};

const pads = (node: Node, layout: Layout, ctx: LoweringContext): string => {
  const paddings = inLayout(layout, node.attrs['paddings'] as [number, number][]);
  return ctx.onnx.ints([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
};

const padV2: Kernel = axiswise(padded, (x, node, layout, ctx) =>
  ctx.onnx.op('Pad', [x, pads(node, layout, ctx), ctx.scalar(node.attrs['constantValue'] as number, node.inputs[0]!)]),
);

const mirrorPad: Kernel = axiswise(padded, (x, node, layout, ctx) => {
  if (node.attrs['mode'] !== 'reflect') {
    throw new Error(`MirrorPad with mode "${String(node.attrs['mode'])}" has no lowering; use "reflect"`);
  }
  return ctx.onnx.op('Pad', [x, pads(node, layout, ctx)], { attrs: { mode: { string: 'reflect' } } });
});

const broadcastTo: Kernel = {
  infer: (call) => [{ shape: call.attrs['shape'] as number[], dtype: input(call, 'x').dtype }],
  lower(node, ctx) {
    const output = node.outputs[0]!;
    ctx.set(output, ctx.onnx.op('Expand', [ctx.get(node.inputs[0]!), ctx.onnx.ints(output.shape)]));
  },
};

export const movementKernels: Readonly<Record<string, Kernel>> = {
  BroadcastTo: broadcastTo,
  Concat: concat,
  ExpandDims: expandDims,
  Identity: identity,
  MirrorPad: mirrorPad,
  Pack: pack,
  PadV2: padV2,
  Reshape: reshape,
  Reverse: reverse,
  Slice: slice,
  SplitV: splitV,
  StridedSlice: stridedSlice,
  Tile: tile,
  Transpose: transpose,
  Unpack: unpack,
};
