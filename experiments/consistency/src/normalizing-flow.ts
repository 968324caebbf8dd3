/**
 * A small normalizing flow: affine couplings (RealNVP, Dinh et al. 2017, arXiv:1605.08803) with dense networks and
 * checkerboard masks, trained by exact maximum likelihood. Its noise has the size of an image, as a diffusion model's.
 *
 *   v = b + u, u ~ U[0, 1)           dequantization of the bytes b (Theis et al. 2016, arXiv:1511.01844)
 *   s = logit(0.05 + 0.9 v / 256)    section 4.1 of RealNVP
 *   w = (s - mean) / std             per pixel, over the training images; not trained
 *   w <- m w + (1 - m) (w exp(a) + t), a and t from a network of m w; `couplings` times, with alternating masks m
 *   log p(v) = log N(w; 0, I) + sum of log |derivatives|
 */
import { uniformBatch } from '@dm/core';
import { loadBatch, type Dataset } from '@dm/data';
import { initialWeights, runContrastTraining, type ImageShape } from '@dm/experiments';
import {
  flatLayout,
  float32,
  splitFlat,
  toScalars,
  type Arrays,
  type Engine,
  type FlatLayout,
  type NdArray,
  type Tensors,
} from '@dm/ops';
import { adam, halfLifeEma, linearLr } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';

export interface FlowRecipe {
  readonly couplings: number;
  /** Units of the two hidden layers of each coupling's network. */
  readonly hidden: number;
  /** `identity`: the last layers are zero, so that no coupling changes anything; `random`: they are random. */
  readonly start: 'identity' | 'random';
  /** Peak learning rate of Adam; it decays linearly to one tenth. */
  readonly lr: number;
  readonly batchSize: number;
  readonly images: number;
  /** Half-life of the EMA in images, limited to 5% of the images seen. */
  readonly emaHalfLife: number;
}

type FlowSize = Pick<FlowRecipe, 'couplings' | 'hidden' | 'start'>;

/** The logit is of ALPHA + (1 - 2 ALPHA) y. */
const ALPHA = 0.05;
/** Bound of the log scale of a coupling. */
const MAX_LOG_SCALE = 2;

const valuesOf = (shape: ImageShape): number => shape[0] * shape[1] * shape[2];

/** Layout of the trained parameters. */
export function flowLayout(shape: ImageShape, { couplings, hidden, start }: FlowSize): FlatLayout {
  const values = valuesOf(shape);
  const dense = (name: string, inputs: number, outputs: number, group: 'matrix' | 'vector') =>
    [
      { name: `${name}.weight`, shape: [inputs, outputs], group },
      { name: `${name}.bias`, shape: [outputs], group: 'vector' },
    ] as const;
  return flatLayout(
    Array.from({ length: couplings }, (_, k) => [
      ...dense(`${k}.dense1`, values, hidden, 'matrix'),
      ...dense(`${k}.dense2`, hidden, hidden, 'matrix'),
      // `initialWeights` leaves vectors at 0.
      ...dense(`${k}.out`, hidden, 2 * values, start === 'random' ? 'matrix' : 'vector'),
    ]).flat(),
  );
}

/** Initial parameters [P]. */
export function initialFlowWeights(shape: ImageShape, recipe: FlowSize, seed: number): Float32Array {
  return initialWeights(flowLayout(shape, recipe), seed, 0);
}

/** Fixed tables of a flow: checkerboard masks [2, D], and mean and standard deviation of the logits [1, D]. */
export async function flowTables(train: Dataset): Promise<Arrays> {
  const { length, shape } = train;
  const values = valuesOf(shape);
  const { images } = await train.read(Uint32Array.from({ length }, (_, i) => i));
  const [sum, squares] = [new Float64Array(values), new Float64Array(values)];
  // Uses the center of the dequantization's interval; its width is added below.
  images.forEach((byte, i) => {
    const s = logit(ALPHA + ((1 - 2 * ALPHA) * (byte + 0.5)) / 256);
    sum[i % values]! += s / length;
    squares[i % values]! += s ** 2 / length;
  });
  // The logit is steepest at black and white: there, u has this standard deviation.
  const least = (1 - 2 * ALPHA) / 256 / Math.sqrt(12) / (ALPHA * (1 - ALPHA));
  return tables(shape, {
    mean: Float32Array.from(sum),
    std: Float32Array.from(squares, (square, i) => Math.sqrt(Math.max(0, square - sum[i]! ** 2) + least ** 2)),
  });
}

/** `flowTables` with the given mean and standard deviation of the logits, [D] each. */
export function tables(shape: ImageShape, { mean, std }: Readonly<Record<'mean' | 'std', Float32Array>>): Arrays {
  const [, width, channels] = shape;
  const values = valuesOf(shape);
  const parity = (i: number) => (Math.floor(i / (width * channels)) + Math.floor((i / channels) % width)) % 2;
  const masks = Array.from({ length: 2 * values }, (_, i) => (parity(i % values) === Math.floor(i / values) ? 1 : 0));
  return {
    masks: float32(masks, [2, values]),
    mean: float32(mean, [1, values]),
    std: float32(std, [1, values]),
  };
}

const logit = (p: number): number => Math.log(p / (1 - p));

/** Log scale and shift of coupling k, 0 at the values that it keeps; `w` [N, D]. */
function affine(p: Tensors, k: number, w: tf.Tensor, mask: tf.Tensor): [logScale: tf.Tensor, shift: tf.Tensor] {
  const dense = (x: tf.Tensor, name: string) =>
    tf.add(tf.matMul(x, p[`${k}.${name}.weight`]!), p[`${k}.${name}.bias`]!);
  const hidden = tf.relu(dense(tf.relu(dense(tf.mul(w, mask), 'dense1')), 'dense2'));
  const [scale, shift] = tf.split(dense(hidden, 'out'), 2, 1);
  const changed = tf.sub(1, mask);
  const logScale = tf.mul(tf.tanh(tf.div(scale!, MAX_LOG_SCALE)), MAX_LOG_SCALE);
  return [tf.mul(changed, logScale), tf.mul(changed, shift!)];
}

/** The two masks [1, D]. */
const masksOf = (state: Tensors): tf.Tensor[] => tf.split(state['masks']!, 2, 0);

/**
 * Noise and log-likelihood of bytes plus `u`.
 *
 * Params [P]; images [N, H, W, C] in [-1, 1]; u [N, D] in [0, 1). Returns noise [N, D], and log p(v) [N] as a density of
 * v = bytes + u in [0, 256).
 */
export function encodeImages(
  params: tf.Tensor,
  state: Tensors,
  images: tf.Tensor,
  u: tf.Tensor,
  shape: ImageShape,
  size: FlowSize,
): { readonly noise: tf.Tensor; readonly logLikelihood: tf.Tensor } {
  const values = valuesOf(shape);
  const p = splitFlat(params, flowLayout(shape, size));
  const masks = masksOf(state);
  const flat = tf.reshape(images, [images.shape[0], values]);
  const inside = tf.add(tf.mul(tf.div(tf.add(tf.mul(tf.add(flat, 1), 127.5), u), 256), 1 - 2 * ALPHA), ALPHA);
  const [log, logOther] = [tf.log(inside), tf.log(tf.sub(1, inside))];
  let w = tf.div(tf.sub(tf.sub(log, logOther), state['mean']!), state['std']!);
  // Logarithms of ds/dv and dw/ds.
  let derivative: tf.Tensor = tf.sub(
    tf.neg(tf.add(tf.add(log, logOther), tf.log(state['std']!))),
    Math.log(256 / (1 - 2 * ALPHA)),
  );
  for (let k = 0; k < size.couplings; k++) {
    const [logScale, shift] = affine(p, k, w, masks[k % 2]!);
    w = tf.add(tf.mul(w, tf.exp(logScale)), shift);
    derivative = tf.add(derivative, logScale);
  }
  const logNormal = tf.sub(tf.mul(tf.square(w), -0.5), 0.5 * Math.log(2 * Math.PI));
  return { noise: w, logLikelihood: tf.sum(tf.add(logNormal, derivative), 1) };
}

/** The inverse of `encodeImages`: images [N, H, W, C], clipped to [-1, 1], of noise [N, D]; the bytes are rounded down. */
function decodeNoise(
  params: tf.Tensor,
  state: Tensors,
  noise: tf.Tensor,
  shape: ImageShape,
  size: FlowSize,
): tf.Tensor {
  const p = splitFlat(params, flowLayout(shape, size));
  const masks = masksOf(state);
  let w = noise;
  for (let k = size.couplings - 1; k >= 0; k--) {
    const [logScale, shift] = affine(p, k, w, masks[k % 2]!);
    w = tf.mul(tf.sub(w, shift), tf.exp(tf.neg(logScale)));
  }
  const inside = tf.sigmoid(tf.add(tf.mul(w, state['std']!), state['mean']!));
  const v = tf.mul(tf.sub(inside, ALPHA), 256 / (1 - 2 * ALPHA));
  // The center of a byte's interval is the byte.
  const images = tf.sub(tf.div(tf.sub(v, 0.5), 127.5), 1);
  return tf.reshape(tf.clipByValue(images, -1, 1), [noise.shape[0], ...shape]);
}

/** Bits per value of a density of v = bytes + u: -log2 p / D. */
const bitsPerDim = (logLikelihood: tf.Tensor, shape: ImageShape): tf.Tensor =>
  tf.div(tf.mean(logLikelihood), -valuesOf(shape) * Math.LN2);

/**
 * Trains a flow and returns the EMA of its parameters, [P].
 * @throws {Error} if the loss is not finite
 */
export async function trainFlow(options: {
  readonly train: Dataset;
  readonly engine: Engine;
  readonly recipe: FlowRecipe;
  readonly seed: number;
  readonly tables: Arrays;
}): Promise<Float32Array> {
  const { train, engine, recipe, seed } = options;
  const { shape } = train;
  const { lr, batchSize, images: seen, emaHalfLife } = recipe;
  const steps = Math.max(1, Math.round(seen / batchSize));
  const optimizer = adam({ lr: linearLr({ lr, totalSteps: steps, finalRatio: 0.1 }) });
  const ema = halfLifeEma({ halfLifeImages: emaHalfLife, batchSize });
  const start = initialFlowWeights(shape, recipe, seed);
  const trained = await runContrastTraining({
    name: `normalizing flow, seed ${seed}, step`,
    engine,
    program: (state, inputs) => {
      const { value: loss, grad } = tf.valueAndGrad((params: tf.Tensor) => {
        const { logLikelihood } = encodeImages(params, state, inputs['images']!, inputs['u']!, shape, recipe);
        return bitsPerDim(logLikelihood, shape);
      })(state['params']!);
      const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, state[slot]!]));
      const next = optimizer.update(state['params']!, grad, slots, inputs);
      return {
        state: { ...state, params: next.params, ...next.slots, ema: ema.update(state['ema']!, next.params, inputs) },
        outputs: { loss },
      };
    },
    start: { ...options.tables, params: float32(start), ema: float32(start), ...optimizer.init(start.length) },
    steps,
    async inputs(step) {
      const { images } = await loadBatch(train, { seed, step, batchSize });
      const indices = Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
      return {
        images: float32(images, [batchSize, ...shape]),
        u: uniformBatch({ seed, stream: 'noise', indices }, [valuesOf(shape)]),
        ...toScalars({ ...optimizer.scalars(step), ...ema.scalars(step) }),
      };
    },
    read: ['ema'],
    snapshotSteps: [],
    onSnapshot: () => undefined,
  });
  return trained.ema;
}

export interface CompiledFlow {
  /** Images [N, H, W, C] in [-1, 1], of parameters [P] and noise [N, H, W, C]. */
  samples(params: Float32Array, noise: NdArray): Promise<NdArray>;
  /** Bits per value of images [N, H, W, C] in [-1, 1], with one u per image. */
  bitsPerDim(params: Float32Array, images: NdArray): Promise<number>;
  dispose(): Promise<void>;
}

/** Compiles sampling and likelihood of a flow. */
export function compileFlow(engine: Engine, shape: ImageShape, recipe: FlowSize, tablesOf: Arrays): CompiledFlow {
  const values = valuesOf(shape);
  const sampling = engine.compile(
    (state, { noise }) => ({ outputs: { images: decodeNoise(state['params']!, state, noise!, shape, recipe) } }),
    { name: 'normalizing flow' },
  );
  const likelihood = engine.compile(
    (state, { images, u }) => {
      const { logLikelihood } = encodeImages(state['params']!, state, images!, u!, shape, recipe);
      return { outputs: { bits: bitsPerDim(logLikelihood, shape) } };
    },
    { name: 'likelihood of the normalizing flow' },
  );
  return {
    async samples(params, noise) {
      const state = await sampling.load({ ...tablesOf, params: float32(params) });
      const rows = noise.data.length / values;
      const { images } = await sampling.run(state, { noise: { ...noise, shape: [rows, values] } });
      state.dispose();
      return images!;
    },
    async bitsPerDim(params, images) {
      const state = await likelihood.load({ ...tablesOf, params: float32(params) });
      const indices = Array.from({ length: images.data.length / values }, (_, i) => i);
      const u = uniformBatch({ seed: 0, stream: 'evaluation', indices }, [values]);
      const { bits } = await likelihood.run(state, { images, u });
      state.dispose();
      return bits!.data[0]!;
    },
    async dispose() {
      await sampling.dispose();
      await likelihood.dispose();
    },
  };
}
