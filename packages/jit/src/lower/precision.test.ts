/** Products in half precision: that they round, what remains float32, and which devices refuse them. */
import {
  attention,
  autocast,
  conv2d,
  type Engine,
  groupNorm,
  halfToNumber,
  numberToHalf,
  type Precision,
  type Program,
  upsampleNearest,
} from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blockedConvolutions } from './blocked.js';
import { openOnnxEngine } from '../engine.js';
import { EngineError } from '../errors.js';
import { exportOnnx } from '../export/export-onnx.js';
import { printGraph } from '../inspect/dump.js';
import { encodeModel, type OnnxModel } from '../onnx/proto.js';
import { fuseUpsampledConvolutions } from '../passes/fuse-upsampled-convolutions.js';
import { optimize, runPipeline } from '../passes/pipeline.js';
import { skipLoudly } from '../runtime/testing/index.js';
import { asProgram, closeTo, type Fn, floats, given, runOnnx, withGradients } from '../testing.js';
import { trace } from '../trace/trace.js';
import { lowerGraph } from './lower-graph.js';

const half = (value: number): number => halfToNumber(numberToHalf(value));

/** The nearest bfloat16, ties to even: the upper 16 bits of a float32. */
function brain(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(Uint32Array.of(rounded).buffer)[0]!;
}

const rounding = { 'f16-emulated': half, 'bf16-emulated': brain } as const;
const emulated = Object.keys(rounding) as (keyof typeof rounding)[];

const mixed =
  (precision: Precision, fn: Fn): Fn =>
  (inputs) =>
    autocast(precision, () => fn(inputs));

/** a bᵀ of vectors. Each element is one product, which float32 holds exactly, so the result must match to the last bit. */
const outer: Fn = ({ a, b }) => tf.matMul(a!, b!);
const a = [0.1, 1 / 3, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -7.77e-6, 6e-8, 300, 65519];
const b = [1, Math.PI, -0.7, 1e-3, 300];
const outerInputs = { a: given(a, [a.length, 1]), b: given(b, [1, b.length]) };

const roundedOuter = (round: (value: number) => number): number[] =>
  a.flatMap((x) => b.map((y) => round(Math.fround(round(Math.fround(x)) * round(Math.fround(y))))));

describe.each(emulated)('%s', (precision) => {
  const round = rounding[precision];

  it('rounds the operands and the result of a product, with all optimizations of the runtime', async () => {
    const program = asProgram(mixed(precision, outer));
    const { out0 } = await runOnnx(program, outerInputs);
    expect([...out0!.data]).toEqual(roundedOuter(round));
    expect(roundedOuter(round)).not.toEqual(roundedOuter(Math.fround));
  });

  it.each(['auto', 'plain'] as const)('rounds convolutions and their gradients, %s', async (convolutions) => {
    const inputs = { x: floats([16, 4, 4, 16]), w: floats([3, 3, 16, 16], 2), b: floats([16], 3) };
    const fn: Fn = ({ x, w, b }) => conv2d(x!, w!, { bias: b! });
    const r = roundTensor(round);
    const reference: Fn = ({ x, w, b }) => r(conv2d(r(x!), r(w!), { bias: r(b!) }));
    const engine = await openOnnxEngine({ convolutions, threads: 1 });
    await expectRounded(asProgram(mixed(precision, fn)), asProgram(fn), asProgram(reference), inputs, engine);
    // The gradient of b is a sum, in float32.
    const gradients: Program = (_, { x, w, b }) => {
      const dy = weightsLike(r(conv2d(x!, w!, { bias: b! })));
      const weighted = (part: tf.Tensor) => (x: tf.Tensor, w: tf.Tensor) => tf.sum(tf.mul(conv2d(x, w), part));
      const [dx, dw] = tf.grads(weighted(r(dy)))([r(x!), r(w!)]) as [tf.Tensor, tf.Tensor];
      // One product per image and a sum, or in blocks of images one product.
      const perImage = tf.unstack(dy).map((part, n) => {
        const image = tf.slice(x!, [n, 0, 0, 0], [1, -1, -1, -1]);
        return r(tf.grads(weighted(r(tf.expandDims(part))))([r(image), r(w!)])[1]!);
      });
      const isBlocked = Number(engine.info['block']) > 0;
      return { outputs: { 'd x': r(dx), 'd w': isBlocked ? r(dw) : tf.addN(perImage), 'd b': tf.sum(dy, [0, 1, 2]) } };
    };
    await expectRounded(withGradients(mixed(precision, fn)), withGradients(fn), gradients, inputs, engine);
    await engine.dispose();
  });

  it('rounds the products of attention; its softmax is float32', async () => {
    const shape = [2, 2, 5, 4];
    const inputs = { q: floats(shape), k: floats(shape, 2), v: floats(shape, 3) };
    const fn: Fn = ({ q, k, v }) => attention(q!, k!, v!, { scale: 0.3 });
    const r = roundTensor(round);
    const product = (x: tf.Tensor, y: tf.Tensor, tx = false, ty = false) => r(tf.matMul(r(x), r(y), tx, ty));
    const forward: Fn = ({ q, k, v }) => product(tf.softmax(product(q!, tf.mul(k!, 0.3), false, true)), v!);
    await expectRounded(asProgram(mixed(precision, fn)), asProgram(fn), asProgram(forward), inputs);
    const backward: Program = (_, inputs) => {
      const { q, k, v } = inputs as Record<'q' | 'k' | 'v', tf.Tensor>;
      const y = forward(inputs) as tf.Tensor;
      const dy = weightsLike(y);
      const probs = tf.softmax(product(tf.mul(q, 0.3), k, false, true));
      const ds = tf.mul(probs, tf.sub(product(dy, v, false, true), tf.sum(tf.mul(dy, y), -1, true)));
      return {
        outputs: {
          'd q': product(ds, tf.mul(k, 0.3)),
          'd k': product(ds, tf.mul(q, 0.3), true),
          'd v': product(probs, dy, true),
        },
      };
    };
    await expectRounded(withGradients(mixed(precision, fn)), withGradients(fn), backward, inputs);
  });
});

/** Rounds each element; for eager tensors. */
const roundTensor =
  (round: (value: number) => number) =>
  (x: tf.Tensor): tf.Tensor =>
    tf.tensor(
      (x.dataSync() as Float32Array).map((value) => round(value)),
      x.shape,
    );

/** The weights of the outputs in `withGradients`. */
const weightsLike = (t: tf.Tensor): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: t.size }, (_, i) => Math.cos(i + 1)),
    t.shape,
  );

/**
 * Compares `program` with `reference`, which rounds by itself, eagerly. Float32 sums in another order may round
 * differently; but the difference must be much smaller than the difference between `program` and `plain`.
 */
async function expectRounded(
  program: Program,
  plain: Program,
  reference: Program,
  inputs: Parameters<typeof runOnnx>[1],
  engine?: Engine,
): Promise<void> {
  const [found, exact] = [await runOnnx(program, inputs, engine), await runOnnx(plain, inputs, engine)];
  await tf.setBackend('cpu');
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]),
  );
  const { outputs } = reference({}, tensors);
  expect(Object.keys(outputs).toSorted()).toEqual(Object.keys(found).toSorted());
  const wrong = Object.entries(outputs).filter(([name, tensor]) => {
    const wanted = tensor.dataSync();
    const toReference = distance(found[name]!.data, wanted);
    // The gradient of a bias is not rounded.
    return name === 'd b' ? toReference > 1e-4 : !(toReference < 0.5 * distance(found[name]!.data, exact[name]!.data));
  });
  expect(wrong.map(([name]) => name)).toEqual([]);
}

const distance = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  Math.sqrt(Array.from(x).reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0));

/** A block of a network: a strided and an upsampled convolution, a norm, attention, and products, with all gradients. */
const block: Fn = ({ x, w, m }) => {
  const small = conv2d(x!, w!, { strides: 2, bias: tf.ones([16]) });
  const normed = groupNorm(small, tf.ones([16]), tf.zeros([16]), { groups: 4 });
  const tokens = tf.reshape(normed, [16, 1, 4, 16]);
  const mixedTokens = attention(tokens, tokens, tokens);
  const projected = tf.matMul(tf.reshape(mixedTokens, [64, 16]), m!);
  return conv2d(upsampleNearest(tf.reshape(projected, [16, 2, 2, 16])), w!);
};
const blockInputs = {
  x: floats([16, 4, 4, 16]),
  w: floats([3, 3, 16, 16], 2, 0.2),
  m: floats([16, 16], 3, 0.5),
};

const lowered = (fn: Fn, target: 'cpu' | 'gpu'): OnnxModel => {
  const { main } = runPipeline(trace(withGradients(fn), {}, blockInputs), {
    kind: target,
    ...(target === 'cpu' && { blocked: blockedConvolutions(16) }),
  });
  return lowerGraph(main, { target, blocked: blockedConvolutions(16) });
};

const types = { 1: 'float32', 10: 'float16', 16: 'bfloat16' } as const;

/** Operators by the type of their first operand, without casts. */
function operandTypes({ nodes }: OnnxModel): { readonly halves: string[]; readonly floats: string[] } {
  const typeOf = new Map<string, string>();
  const found = { halves: new Set<string>(), floats: new Set<string>() };
  for (const { op, inputs, outputs, attrs } of nodes) {
    const operands = inputs.map((name) => typeOf.get(name) ?? 'float32');
    if (op === 'Cast') {
      const { int } = attrs['to'] as { int: keyof typeof types };
      typeOf.set(outputs[0]!, types[int]);
      continue;
    }
    for (const output of outputs) typeOf.set(output, operands[0]!);
    expect(new Set(operands).size, `${op} of ${operands.join(', ')}`).toBeLessThanOrEqual(1);
    found[operands[0] === 'float32' ? 'floats' : 'halves'].add(op);
  }
  return { halves: [...found.halves].toSorted(), floats: [...found.floats].toSorted() };
}

describe('the graph of a block and its gradients', () => {
  it.each(['f16', 'bf16'] as const)('casts the operands of products only, %s', (precision) => {
    const { halves, floats: inFloat } = operandTypes(lowered(mixed(precision, block), 'gpu'));
    expect(halves).toEqual(['Conv', 'ConvTranspose', 'MatMul']);
    // Sums over images.
    expect(inFloat).toContain('MatMul');
    expect(inFloat).toContain('Softmax');
    expect(inFloat).not.toContain('Conv');
  });

  it('is unchanged in float32, and in regions that turn autocast off', () => {
    const bytes = encodeModel(lowered(block, 'cpu'));
    expect(encodeModel(lowered(mixed('f32', block), 'cpu'))).toEqual(bytes);
    expect(encodeModel(lowered(mixed('f16-emulated', mixed('f32', block)), 'cpu'))).toEqual(bytes);
    expect(encodeModel(lowered(mixed('f16-emulated', block), 'cpu'))).not.toEqual(bytes);
  });

  it('computes the same with real casts as emulated, on the provider cpu, which the engine refuses', async () => {
    const run = async (precision: Precision) => {
      const model = lowered(mixed(precision, block), 'gpu');
      const session = await InferenceSession.create(encodeModel(model), { intraOpNumThreads: 1 });
      const tensors = Object.values(blockInputs).map(
        ({ data, shape }) => new Tensor('float32', data as Float32Array, shape),
      );
      const feeds = Object.fromEntries(
        session.inputNames.map((name) => [
          name,
          tensors[Object.keys(blockInputs).findIndex((key) => name.endsWith(key))]!,
        ]),
      );
      const results = await session.run(feeds);
      await session.release();
      return Object.fromEntries(
        Object.entries(results).map(([name, { data, dims }]) => [
          name,
          { dtype: 'float32', shape: dims, data: data as Float32Array } as const,
        ]),
      );
    };
    expect(await run('f16')).toBeAllClose(await run('f16-emulated'), closeTo(5e-3));
  });
});

describe('passes', () => {
  const twice: Program = (_, { x, w }) => ({
    outputs: {
      y: tf.add(
        autocast('f16-emulated', () => tf.matMul(x!, w!)),
        autocast('f32', () => tf.matMul(x!, w!)),
      ),
      z: autocast('f16-emulated', () => tf.matMul(x!, w!)),
    },
  });

  it('merge products of the same precision only', () => {
    const graph = optimize(trace(twice, {}, { x: floats([2, 3]), w: floats([3, 2]) }));
    expect(graph.nodes.filter(({ op }) => op === 'BatchMatMul').map(({ precision }) => precision)).toEqual([
      'f16-emulated',
      undefined,
    ]);
    expect(printGraph(graph)).toContain(' in f16-emulated');
  });

  it('keep the precision of fused convolutions; the sums of their filters are float32', () => {
    const graph = optimize(trace(withGradients(mixed('bf16', block)), {}, blockInputs));
    const fused = fuseUpsampledConvolutions(graph, blockedConvolutions(16));
    expect(fused.nodes.filter(({ attrs }) => attrs['inputShape'] !== undefined).length).toBeGreaterThan(0);
    const precisions = new Map<string, Set<unknown>>();
    for (const { op, precision } of fused.nodes) {
      precisions.set(op, (precisions.get(op) ?? new Set()).add(precision));
    }
    for (const op of ['DmConv2D', 'DmConv2DGradInput', 'DmConv2DGradFilter', 'DmAttentionGrad']) {
      expect([op, precisions.get(op)]).toEqual([op, new Set(['bf16'])]);
    }
    expect(precisions.get('BatchMatMul')).toEqual(new Set(['bf16', undefined]));
    expect(precisions.get('DmGroupNorm')).toEqual(new Set([undefined]));
  });
});

it('files are float32', () => {
  const file = (fn: Fn) =>
    exportOnnx(asProgram(fn), {
      inputs: Object.fromEntries(
        Object.entries(blockInputs).map(([name, { shape }]) => [name, { dtype: 'float32', shape }]),
      ),
    });
  expect(file(mixed('f16', block))).toEqual(file(block));
});

it.each(['f16', 'bf16'] as const)('the device cpu refuses %s, and names the emulation', async (precision) => {
  await expect(runOnnx(asProgram(mixed(precision, outer)), outerInputs)).rejects.toThrowWith({
    type: EngineError,
    code: 'DEVICE_UNSUPPORTED',
    contains: ['"cpu"', precision, `"${precision}-emulated"`, '"f32"'],
  });
});

describe('on webgpu', () => {
  let engine: Engine | undefined;
  let reason = '';
  beforeAll(async () => {
    try {
      engine = await openOnnxEngine({ device: 'webgpu' });
    } catch (error) {
      if (!(error instanceof EngineError && error.code === 'DEVICE_UNUSABLE')) throw error;
      reason = error.message;
    }
  });
  afterAll(() => engine?.dispose());

  it('f16 is computed, or refused because the device does not have it', async ({ skip }) => {
    if (engine === undefined) return skipLoudly(skip, reason);
    const outcome = await runOnnx(asProgram(mixed('f16', outer)), outerInputs, engine).then(
      ({ out0 }) => ({ values: [...out0!.data] }),
      (error: EngineError) => ({ code: error.code, isNamed: /"webgpu".* f16 .*"f32"/.test(error.message) }),
    );
    expect([{ values: roundedOuter(half) }, { code: 'DEVICE_UNSUPPORTED', isNamed: true }]).toContainEqual(outcome);
  });

  it('bf16 is refused', async ({ skip }) => {
    if (engine === undefined) return skipLoudly(skip, reason);
    await expect(runOnnx(asProgram(mixed('bf16', outer)), outerInputs, engine)).rejects.toThrowWith({
      type: EngineError,
      code: 'DEVICE_UNSUPPORTED',
      contains: ['"webgpu"', 'bf16'],
    });
  });
});
