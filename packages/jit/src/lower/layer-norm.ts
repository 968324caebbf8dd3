import { input, type KernelCall, optionalInput, specOf } from '../graph/graph.js';
import { type Kernel } from './context.js';

const rowsOf = (call: KernelCall): readonly number[] => input(call, 'x').shape.slice(0, -1);

const layerNorm: Kernel = {
  infer: (call) => {
    const statistics = { shape: rowsOf(call), dtype: 'float32' } as const;
    return [specOf(input(call, 'x')), statistics, statistics];
  },
  lower(node, ctx) {
    const x = input(node, 'x');
    const scale = optionalInput(node, 'scale');
    const offset = optionalInput(node, 'offset');
    const ones = () => ctx.onnx.floats(new Float32Array(x.shape.at(-1)!).fill(1));
    const operands = [ctx.get(x), scale === undefined ? ones() : ctx.get(scale)];
    if (offset !== undefined) operands.push(ctx.get(offset));
    const [y, mean, invStd] = ctx.onnx.ops('LayerNormalization', operands, {
      attrs: { axis: { int: -1 }, epsilon: { float: node.attrs['epsilon'] as number } },
      outputs: 3,
    });
    ctx.set(node.outputs[0]!, y!);
    ctx.set(node.outputs[1]!, ctx.reshape(mean!, rowsOf(node)));
    ctx.set(node.outputs[2]!, ctx.reshape(invStd!, rowsOf(node)));
  },
};

/** dx = invStd (g - mean(g) - xh mean(g xh)) with g = dy scale and xh = (x - mean) invStd, over the last axis. */
const layerNormGrad: Kernel = {
  infer: (call) => {
    const scale = optionalInput(call, 'scale');
    return [specOf(input(call, 'x')), ...(scale === undefined ? [] : [specOf(scale), specOf(scale)])];
  },
  lower(node, ctx) {
    const { onnx } = ctx;
    const x = input(node, 'x');
    const last = x.shape.length - 1;
    const mul = (a: string, b: string) => onnx.op('Mul', [a, b]);
    const sub = (a: string, b: string) => onnx.op('Sub', [a, b]);
    const column = (name: string) => ctx.reshape(ctx.get(input(node, name)), [...rowsOf(node), 1]);
    const scale = optionalInput(node, 'scale');
    const dy = ctx.get(input(node, 'dy'));
    const invStd = column('invStd');
    const xh = mul(sub(ctx.get(x), column('mean')), invStd);
    const g = scale === undefined ? dy : mul(dy, ctx.get(scale));
    const inner = sub(sub(g, ctx.mean(g, [last], true)), mul(xh, ctx.mean(mul(g, xh), [last], true)));
    ctx.set(node.outputs[0]!, mul(inner, invStd));
    if (scale === undefined) return;
    const rows = rowsOf(node).map((_, i) => i);
    ctx.set(node.outputs[1]!, ctx.sum(mul(dy, xh), rows, false));
    ctx.set(node.outputs[2]!, ctx.sum(dy, rows, false));
  },
};

export const layerNormKernels: Readonly<Record<string, Kernel>> = {
  DmLayerNorm: layerNorm,
  DmLayerNormGrad: layerNormGrad,
};
