/**
 * Test cases of models and their gradients, for comparing any engine with the reference implementations, whose results
 * come from tools/parity/models_fixture.py. Cases are plain data, and all numbers follow from an integer hash that
 * gives the same bits in every language.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type Arrays,
  float32,
  type Float32NdArray,
  type NdArray,
  oneHot,
  type Program,
  splitFlat,
  viewFlat,
} from '@dm/ops';
import { edmPrecond } from '../edm-precond.js';
import { flatten } from '../initialize.js';
import { bufferLayout, parameterLayout } from '../layout.js';
import { loadWeights } from '../load-weights.js';
import cases from './model-cases.json' with { type: 'json' };
import type { Model } from '../model.js';
import { modelClasses } from '../model-classes.js';
import { edm2UNet } from '../nvlabs/edm2-unet.js';
import { songUNet } from '../nvlabs/song-unet.js';
import { toTorch, torchShape } from '../torch-layout.js';

const functions = { ...modelClasses, SongUNet: songUNet, EDM2UNet: edm2UNet };

export interface ModelCase {
  /** Unique. */
  readonly name: string;
  readonly model: keyof typeof functions;
  /** Argument of the function of the model. */
  readonly config: object;
  /** Wraps the model in `edmPrecond`; `timesteps` are then sigmas. */
  readonly edm?: { readonly sigma_data: number };
  /** One per image. */
  readonly timesteps: readonly number[];
  /** One per image, for a conditional model. */
  readonly labels?: readonly number[];
  /** Too large for the `tfjs-cpu` engine. */
  readonly heavy?: boolean;
}

export const modelCases = cases as readonly ModelCase[];

/** Builds the model of a case. */
export function caseModel({ model: name, config, edm }: ModelCase): Model {
  const model: Model = functions[name](config as never);
  return edm === undefined ? model : edmPrecond(model, edm);
}

/**
 * Values on [-1, 1). Element i is computed from 24 bits of an integer hash of `name` (FNV-1a) and i (the finalizer of
 * `lowbias32`, https://nullprogram.com/blog/2018/07/31/).
 */
export function hashed(name: string, size: number): Float64Array {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  const values = new Float64Array(size); // a plain loop, because full-size models need hundreds of millions of values
  for (let i = 0; i < size; i++) {
    let h = (seed + Math.imul(i, 0x9e3779b9)) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    values[i] = ((h ^ (h >>> 16)) >>> 8) * 2 ** -23 - 1;
  }
  return values;
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, d) => product * d, 1);

/**
 * Weights in PyTorch's layout, as in a file: variance 1/fan_in for matrices, kernels and embeddings, near 1 for the
 * scales of norms, small for biases. No parameter is all zeros. Buffers with fixed values are omitted.
 */
export function caseWeights(model: Model): Record<string, Float32NdArray> {
  const given = Object.entries(model.specs).filter(([, { init }]) => init.kind !== 'constant');
  return Object.fromEntries(given.map(([name, spec]) => [name, caseWeight(name, torchShape(spec))]));
}

/** One parameter of `caseWeights`; `shape` is in PyTorch's layout. */
function caseWeight(name: string, shape: readonly number[]): Float32NdArray {
  const isScale = name.endsWith('weight');
  const bound = Math.sqrt(3 / sizeOf(shape.slice(1)));
  const range = (u: number) => (shape.length !== 1 ? bound * u : isScale ? 1 + 0.2 * u : 0.1 * u);
  return float32(hashed(name, sizeOf(shape)).map(range), shape);
}

/** State of `modelCaseProgram`: weights and buffers as flat vectors. */
export function modelCaseState(model: Model): Arrays {
  const weights = loadWeights(model, caseWeights(model));
  const buffers = flatten(weights, bufferLayout(model));
  return {
    params: float32(flatten(weights, parameterLayout(model))),
    ...(buffers.length > 0 && { buffers: float32(buffers) }),
  };
}

/**
 * Inputs of `modelCaseProgram`: images `x`, timesteps `t`, one-hot labels `cond`, dropout masks by name, and the
 * upstream gradient `dy`.
 */
export function modelCaseInputs(modelCase: ModelCase, model: Model): Arrays {
  const { timesteps, labels } = modelCase;
  const n = timesteps.length;
  const [height, width, channels] = model.inputShape;
  const filled = (name: string, shape: readonly number[], f: (u: number) => number) =>
    float32(hashed(name, sizeOf(shape)).map(f), shape);
  const masks = model.dropouts.map(({ name, shape, rate }) => [
    name,
    filled(`mask ${name}`, [n, ...shape], (u) => ((u + 1) / 2 < rate ? 0 : 1 / (1 - rate))),
  ]);
  return {
    x: filled('x', [n, height, width, channels], (u) => 1.5 * u),
    t: float32(timesteps),
    dy: filled('dy', [n, height, width, model.outChannels], (u) => u),
    ...(model.condDim > 0 && { cond: oneHot(labels!, model.condDim) }),
    ...Object.fromEntries(masks as [string, NdArray][]),
  };
}

/** (`modelCaseState`, `modelCaseInputs`) → `y` [N, H, W, outChannels] and `gradient` [P], in the layout of `params`. */
export function modelCaseProgram(model: Model): Program {
  const layout = parameterLayout(model);
  const tables = bufferLayout(model);
  return ({ params, buffers }, { x, t, dy, cond, ...masks }) => {
    const fixed = buffers === undefined ? {} : splitFlat(buffers, tables);
    const { value, grad } = tf.valueAndGrad((flat: tf.Tensor) =>
      model.apply({ ...fixed, ...splitFlat(flat, layout) }, x!, t!, { ...(cond && { cond }), masks }),
    )(params!, dy);
    return { outputs: { y: value, gradient: grad } };
  };
}

/** Summary of the gradient of one parameter for fixtures: its norm and two projections. */
export interface GradientPrint {
  readonly name: string;
  readonly norm: number;
  /** Inner products with two vectors that are uniform on [-1, 1), in PyTorch's layout. */
  readonly projections: readonly [number, number];
}

/** One summary per parameter, in the order of the layout. Sums are computed in float64. */
export function gradientPrints(model: Model, gradient: Float32Array): GradientPrint[] {
  return Object.entries(toTorch(model, viewFlat(gradient, parameterLayout(model)))).map(([name, { data }]) => {
    const inner = (other: ArrayLike<number>) => {
      let sum = 0;
      for (let i = 0; i < data.length; i++) sum += data[i]! * other[i]!;
      return sum;
    };
    const along = (k: number) => inner(hashed(`projection ${k} ${name}`, data.length));
    return { name, norm: Math.sqrt(inner(data)), projections: [along(0), along(1)] };
  });
}
