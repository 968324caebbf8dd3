/** What is timed: training steps of two models, and a step of one DiT block, which every library can be given. */
import { createMemoryDataset } from '@dm/data';
import { attention, float32, gelu, layerNorm, scalar, type Engine, type NdArray, type Program, silu } from '@dm/ops';
import {
  batchSource,
  compileStep,
  createTrainingSetup,
  type PartialConfig,
  resolveConfig,
  startingState,
  trainingSteps,
} from '@dm/trainer/core';
import * as tf from '@tensorflow/tfjs-core';

/** What is timed. */
export const works = ['unet', 'dit', 'block'] as const;
export type Work = (typeof works)[number];

/** Makes one step and returns its loss. */
export type Step = () => Promise<number>;

/** The models of the playground at 14x14, and its batch size, halved. */
const batchSize = 16;
const side = 14;

const models = {
  unet: {
    type: 'unet',
    block_out_channels: [16, 32],
    down_block_types: ['DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 8,
    attention_head_dim: null,
    add_attention: true,
  },
  dit: { type: 'dit', patch_size: 2, hidden_size: 96, depth: 4, num_heads: 4 },
} as const satisfies Readonly<Record<string, PartialConfig['model']>>;

/** A step on an engine: the trainer's own (AdamW, averaged weights), or gradient descent on the block. */
export async function openStep(engine: Engine, work: Work): Promise<Step> {
  return work === 'block' ? openBlockStep(engine) : openTrainingStep(engine, work);
}

async function openTrainingStep(engine: Engine, model: keyof typeof models): Promise<Step> {
  const images = Uint8Array.from({ length: 64 * side ** 2 }, (_, i) => {
    const [n, y, x] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    return Math.round(127.5 * (1 + Math.sin((n % 4) + 0.7 * x * ((n % 3) + 1) + 0.4 * y)));
  });
  const dataset = createMemoryDataset({ name: 'formula', images, shape: [side, side, 1] });
  const value: PartialConfig = { model: models[model], batchSize, totalSteps: 100_000, optimizer: { lr: 1e-4 } };
  const setup = createTrainingSetup(resolveConfig([{ source: 'speed', value }]), batchSource(dataset));
  const steps = trainingSteps(setup, await compileStep(setup, engine, startingState(setup)));
  return async () => {
    const { value: outcome } = await steps.next();
    if (outcome === undefined) throw new RangeError('the run has ended');
    return outcome.result.loss;
  };
}

/** The block: tokens [B, T, D], as in the DiT above. */
export const block = { batch: batchSize, tokens: 49, width: 96, heads: 4, inner: 384, lr: 0.1, epsilon: 1e-6 } as const;

/** Shapes of its parameters: conditioning, attention, and the MLP. */
const blockShapes = {
  modulation: [block.width, 6 * block.width],
  modulationBias: [6 * block.width],
  qkv: [block.width, 3 * block.width],
  qkvBias: [3 * block.width],
  proj: [block.width, block.width],
  projBias: [block.width],
  first: [block.width, block.inner],
  firstBias: [block.inner],
  second: [block.inner, block.width],
  secondBias: [block.width],
} as const;

export type BlockName = keyof typeof blockShapes;

/** Values of a formula in (-scale, scale), so that all libraries begin with the same. */
function formula(shape: readonly number[], phase: number, scale: number): NdArray {
  const size = shape.reduce((a, b) => a * b);
  const value = (_: unknown, i: number) => {
    const spread = 43758.5453 * Math.sin(12.9898 * (i + 1) + phase);
    return scale * (2 * (spread - Math.floor(spread)) - 1);
  };
  return float32(Float32Array.from({ length: size }, value), shape);
}

/** Parameters, tokens, and condition of the block. */
export function blockArrays(): {
  readonly params: Readonly<Record<BlockName, NdArray>>;
  readonly x: NdArray;
  readonly c: NdArray;
} {
  const entries = Object.entries(blockShapes).map(([name, shape], i): [string, NdArray] => [
    name,
    formula(shape, i, shape.length === 1 ? 0.1 : 2 / Math.sqrt(shape[0])),
  ]);
  const { batch, tokens, width } = block;
  return {
    params: Object.fromEntries(entries) as Record<BlockName, NdArray>,
    x: formula([batch, tokens, width], 0.3, 1),
    c: formula([batch, width], 0.9, 1),
  };
}

/** One step of gradient descent on the mean square of a DiT block's output (`DiTBlock` of facebookresearch/DiT). */
const blockStep: Program = (state, { x, c, lr }) => {
  const { batch, tokens, width, heads, epsilon } = block;
  const names = Object.keys(state) as BlockName[];
  const linear = (input: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor => {
    const rows = tf.reshape(input, [-1, weight.shape[0]]);
    return tf.reshape(tf.add(tf.matMul(rows, weight), bias), [...input.shape.slice(0, -1), weight.shape[1]!]);
  };
  const toHeads = (part: tf.Tensor): tf.Tensor =>
    tf.transpose(tf.reshape(part, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
  const loss = (...values: tf.Tensor[]): tf.Scalar => {
    const p = Object.fromEntries(names.map((name, i) => [name, values[i]!])) as Record<BlockName, tf.Tensor>;
    const modulation = tf.reshape(linear(silu(c!), p.modulation, p.modulationBias), [batch, 1, 6 * width]);
    const [shift1, scale1, gate1, shift2, scale2, gate2] = tf.split(modulation, 6, 2) as Six;
    const modulated = (h: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor): tf.Tensor =>
      tf.add(tf.mul(layerNorm(h, { epsilon }), tf.add(scale, 1)), shift);
    const [q, k, v] = tf.split(linear(modulated(x!, shift1, scale1), p.qkv, p.qkvBias), 3, 2).map(toHeads) as Three;
    const mixed = tf.reshape(tf.transpose(attention(q, k, v), [0, 2, 1, 3]), [batch, tokens, width]);
    const h = tf.add(x!, tf.mul(gate1, linear(mixed, p.proj, p.projBias)));
    const hidden = gelu(linear(modulated(h, shift2, scale2), p.first, p.firstBias), { approximate: 'tanh' });
    const out = tf.add(h, tf.mul(gate2, linear(hidden, p.second, p.secondBias)));
    return tf.mean(tf.square(out));
  };
  const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => state[name]!));
  return {
    state: Object.fromEntries(names.map((name, i) => [name, tf.sub(state[name]!, tf.mul(lr!, grads[i]!))])),
    outputs: { loss: value },
  };
};

type Three = [tf.Tensor, tf.Tensor, tf.Tensor];
type Six = [...Three, ...Three];

async function openBlockStep(engine: Engine): Promise<Step> {
  const { params, x, c } = blockArrays();
  const program = engine.compile(blockStep);
  const handle = await program.load(params);
  return async () => {
    const { loss } = await program.run(handle, { x, c, lr: scalar(block.lr) });
    return loss!.data[0]!;
  };
}

/** Milliseconds of each of `count` steps. */
export async function timed(step: Step, count: number): Promise<number[]> {
  const ms: number[] = [];
  for (let n = 0; n < count; n++) {
    const began = performance.now();
    await step();
    ms.push(performance.now() - began);
  }
  return ms;
}
