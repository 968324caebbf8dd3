/**
 * The best rotation between the latents of two models. Two trainings need not choose the same axes of the latents, so that
 * two models could agree up to an orthogonal matrix.
 */
import { normalBatch } from '@dm/core';
import {
  decode,
  decoderLayout,
  encode,
  encoderLayout,
  initialWeights,
  LATENT_SIZE,
  runContrastTraining,
  type ImageShape,
} from '@dm/experiments';
import { float32, splitFlat, toScalars, type Engine, type NdArray } from '@dm/ops';
import { adam, linearLr } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { Matrix, SingularValueDecomposition } from 'ml-matrix';

/** Rows as a matrix: values [N, D]. */
export const matrixOf = ({ data, shape: [rows, columns] }: NdArray): Matrix =>
  Matrix.from1DArray(rows!, columns!, Array.from(data));

/** A matrix as float32 [N, D]. */
export const arrayOf = (matrix: Matrix): NdArray =>
  float32(Float32Array.from(matrix.to1DArray()), [matrix.rows, matrix.columns]);

/**
 * The orthogonal Q [D, D] that minimizes |A Q - B| for rows A, B [N, D]: Q = U V^T with A^T B = U S V^T (Schönemann 1966,
 * doi:10.1007/BF02289451).
 */
export function orthogonalProcrustes(a: Matrix, b: Matrix): Matrix {
  const { leftSingularVectors, rightSingularVectors } = new SingularValueDecomposition(a.transpose().mmul(b));
  return leftSingularVectors.mmul(rightSingularVectors.transpose());
}

/** An orthogonal matrix [D, D] that depends only on `seed`: the nearest one to a matrix of standard normals. */
export function randomOrthogonal(dimension: number, seed: number): Matrix {
  const indices = Array.from({ length: dimension }, (_, i) => i);
  const normals = matrixOf(normalBatch({ seed, stream: 'probe', indices }, [dimension]));
  return orthogonalProcrustes(Matrix.eye(dimension), normals);
}

export interface LatentEncoderRecipe {
  readonly steps: number;
  readonly batchSize: number;
  /** Peak learning rate of Adam; it decays linearly to one tenth. */
  readonly lr: number;
}

/**
 * Trains an encoder that maps the images tanh(slope * logits) of a decoder back to their latents, with mean squared error
 * on fresh latents in each step; returns its parameters [P].
 * @throws {Error} if the loss is not finite
 */
export async function trainLatentEncoder(options: {
  readonly engine: Engine;
  readonly shape: ImageShape;
  readonly decoder: Float32Array;
  readonly slope: number;
  readonly recipe: LatentEncoderRecipe;
  readonly seed: number;
}): Promise<Float32Array> {
  const { engine, shape, decoder, slope, seed, recipe } = options;
  const { steps, batchSize, lr } = recipe;
  const layout = encoderLayout(shape, LATENT_SIZE);
  const optimizer = adam({ lr: linearLr({ lr, totalSteps: steps, finalRatio: 0.1 }) });
  const start = initialWeights(layout, seed, 2);
  const { params } = await runContrastTraining({
    name: `latent encoder, seed ${seed}, step`,
    engine,
    program: (state, inputs) => {
      const logits = decode(splitFlat(state['decoder']!, decoderLayout(shape)), inputs['latents']!, shape);
      const images = tf.tanh(tf.mul(slope, logits));
      const { value: loss, grad } = tf.valueAndGrad((flat: tf.Tensor) =>
        tf.mean(tf.square(tf.sub(encode(splitFlat(flat, layout), images), inputs['latents']!))),
      )(state['params']!);
      const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, state[slot]!]));
      const next = optimizer.update(state['params']!, grad, slots, inputs);
      return { state: { ...state, params: next.params, ...next.slots }, outputs: { loss } };
    },
    start: { decoder: float32(decoder), params: float32(start), ...optimizer.init(start.length) },
    steps,
    async inputs(step) {
      const indices = Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
      const latents = normalBatch({ seed, stream: 'probe', step: 1, indices }, [LATENT_SIZE]);
      return { latents, ...toScalars(optimizer.scalars(step)) };
    },
    read: ['params'],
    snapshotSteps: [],
    onSnapshot: () => undefined,
  });
  return params;
}

/**
 * Latents [N, 16] of images [N, H, W, C]: the first 16 outputs of an encoder with `outputs` outputs (32 for a VAE, whose
 * first 16 are the mean) and parameters [P].
 */
export async function encodeLatents(
  engine: Engine,
  encoder: { readonly params: Float32Array; readonly outputs: number },
  images: NdArray,
): Promise<NdArray> {
  const [, ...shape] = images.shape;
  const layout = encoderLayout(shape as unknown as ImageShape, encoder.outputs);
  const program = engine.compile(
    (state, inputs) => {
      const all = encode(splitFlat(state['params']!, layout), inputs['images']!);
      return { outputs: { latents: tf.slice(all, [0, 0], [-1, LATENT_SIZE]) } };
    },
    { name: 'latent encoder' },
  );
  const state = await program.load({ params: float32(encoder.params) });
  const { latents } = await program.run(state, { images });
  state.dispose();
  await program.dispose();
  return latents!;
}
