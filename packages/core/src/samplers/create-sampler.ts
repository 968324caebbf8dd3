import * as tf from '@tensorflow/tfjs-core';
import type { Arrays, CompiledProgram, Engine, NdArray, StateHandle, Tensors } from '@dm/ops';
import { requireInteger } from '../checks.js';
import type { NoiseLevel } from '../levels/level.js';
import type { SamplingPath } from '../levels/path.js';
import { float32, type Float32NdArray } from '../nd-array.js';
import { inputScale, type Prediction } from '../process/prediction.js';
import { normalBatch } from '../random/draw.js';
import { checkLimit, type LimitX0 } from './limit.js';
import type { Sampler } from './sampler.js';
import { churned, samplerStep, stageInputs } from './step.js';

/** The network: x [N, H, W, C], t [N], and the caller's own inputs → [N, H, W, C], or 2C with a learned variance. */
export type Predict = (state: Tensors, x: tf.Tensor, t: tf.Tensor, inputs: Tensors) => tf.Tensor;

export interface SamplerOptions extends LimitX0 {
  readonly engine: Engine;
  readonly predict: Predict;
  readonly prediction: Prediction;
  /** For the prediction `edm`: 0.5 by default. */
  readonly sigmaData?: number;
  readonly sampler: Sampler;
  /** The noise levels: `discretePath(schedule, { steps })` and the like. */
  readonly path: SamplingPath;
  /** [H, W, C] of one image. */
  readonly shape: readonly number[];
}

export interface SampleOptions {
  /** The model's state, or a handle of the same engine that holds it (it stays the caller's). */
  readonly state: Arrays | StateHandle;
  /** A non-negative safe integer. Image i of a seed is made of the same noise in every batch. */
  readonly seed: number;
  /** How many images: those of indices 0 .. n-1. Give this or `imageIndices`. */
  readonly n?: number;
  readonly imageIndices?: readonly number[];
  /** Images that go through the model at a time; all by default. */
  readonly batchSize?: number;
  /** Standard normal noise [N, ...shape] to begin with, in place of the seed's. */
  readonly initialNoise?: NdArray;
  /** Further inputs of `predict`, [N, ...] each: one row an image. */
  readonly inputs?: Arrays;
  /** Called after each step of each batch; what it throws ends the sampling. */
  readonly onStep?: (progress: SamplingProgress) => void | Promise<void>;
}

export interface SamplingProgress {
  /** Steps done in this batch, from 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  /** The level that the step began at. */
  readonly level: NoiseLevel;
  /** Places of the batch's images among all that are being sampled: [first, first + count). */
  readonly first: number;
  readonly count: number;
  /** The state after the step, [count, H, W, C]. */
  readonly x: Float32NdArray;
  /** What the step took for the clean image, [count, H, W, C]. */
  readonly x0: Float32NdArray;
}

/** A compiled sampler: the model and the sampler's arithmetic in one program, made once and run at every step. */
export interface ImageSampler {
  /** The images, float32 [N, H, W, C]. Calls on one handle must not overlap. */
  sample(options: SampleOptions): Promise<Float32NdArray>;
  /** Frees what compiling made. */
  dispose(): Promise<void>;
}

/**
 * Plans and compiles a sampler. Throws where the sampler, the prediction and the path do not go together, so before
 * any image is made.
 */
export function createSampler(options: SamplerOptions): ImageSampler {
  const { engine, predict, prediction, sampler, path, shape, clip, threshold } = options;
  const limit: LimitX0 = { ...(clip === undefined ? {} : { clip }), ...(threshold === undefined ? {} : { threshold }) };
  checkLimit(limit);
  shape.forEach((d, i) => requireInteger(`sampler: shape[${i}]`, d, 1));
  const predictionOptions = options.sigmaData === undefined ? {} : { sigmaData: options.sigmaData };
  const plan = sampler.plan(path, prediction, predictionOptions);
  const stages = plan.stages.map((stage) => ({
    ...stage,
    inputs: {
      ...stageInputs(plan, stage, prediction, predictionOptions),
      inputScale: float32([inputScale(prediction, stage.level, predictionOptions)], []),
    },
  }));

  const program: CompiledProgram = engine.compile(
    (state, all) => {
      const { own, user } = parted(all);
      const x = plan.churn ? churned(own['x']!, own['churnNoise']!, own['churn']!) : own['x']!;
      const output = predict(state, tf.mul(x, own['inputScale']!), own['t']!, user);
      const history = Object.fromEntries(plan.history.map((name) => [name, own[`history.${name}`]!]));
      const noise = plan.noise ? { noise: own['noise']! } : {};
      const next = samplerStep(plan, { x, output, history, inputs: own, ...noise }, limit);
      const kept = Object.entries(next.history).map(([name, tensor]) => [ownName(`history.${name}`), tensor] as const);
      return { outputs: { [ownName('x')]: next.x, [ownName('x0')]: next.x0, ...Object.fromEntries(kept) } };
    },
    { name: `${sampler.name} sampler` },
  );

  async function runBatch(handle: StateHandle, batch: Batch, onStep: SampleOptions['onStep']): Promise<Float32Array> {
    const { seed, indices, first, count, inputs } = batch;
    let x: NdArray = batch.initial;
    let history: Arrays = Object.fromEntries(
      plan.history.map((name) => [`history.${name}`, float32(new Float32Array(x.data.length), x.shape)]),
    );
    for (const [k, stage] of stages.entries()) {
      const fresh = (lane: number): NdArray =>
        normalBatch({ seed, stream: 'sample', step: k + 1, indices, lane }, shape);
      const own: Arrays = {
        ...stage.inputs,
        ...history,
        x,
        t: float32(new Float32Array(indices.length).fill(stage.level.t)),
        ...(plan.noise ? { noise: fresh(0) } : {}),
        ...(plan.churn ? { churnNoise: fresh(1) } : {}),
      };
      const outputs = await program.run(handle, { ...inputs, ...renamed(own, ownName) });
      x = outputs[ownName('x')]!;
      history = Object.fromEntries(Object.keys(history).map((name) => [name, outputs[ownName(name)]!]));
      if (stage.endsStep && onStep) {
        await onStep({
          step: stage.step + 1,
          steps: plan.steps,
          level: stage.level,
          first,
          count,
          x: firstRows(x, count),
          x0: firstRows(outputs[ownName('x0')]!, count),
        });
      }
    }
    return firstRows(x, count).data;
  }

  return {
    async sample(request) {
      const batches = batchesOf(request, shape, path.initialScale);
      const handle = isHandle(request.state) ? request.state : await program.load(request.state);
      try {
        const images: Float32Array[] = [];
        for (const batch of batches) images.push(await runBatch(handle, batch, request.onStep));
        return joined(images, shape);
      } finally {
        if (handle !== request.state) handle.dispose();
      }
    },
    dispose: () => program.dispose(),
  };
}

/** `createSampler`, one call of its `sample`, and `dispose`. */
export async function sample(options: SamplerOptions & SampleOptions): Promise<Float32NdArray> {
  const prepared = createSampler(options);
  try {
    return await prepared.sample(options);
  } finally {
    await prepared.dispose();
  }
}

interface Batch {
  readonly seed: number;
  /** Image of each row; the last batch is filled up to the size of the others, so that one compiled shape does. */
  readonly indices: readonly number[];
  readonly first: number;
  /** Rows that are wanted. */
  readonly count: number;
  readonly initial: Float32NdArray;
  readonly inputs: Arrays;
}

function batchesOf(request: SampleOptions, shape: readonly number[], scale: number): Batch[] {
  const { seed, n, imageIndices, initialNoise, inputs = {} } = request;
  if ((n === undefined) === (imageIndices === undefined)) {
    throw new RangeError('sample: give either n or imageIndices');
  }
  if (n !== undefined) requireInteger('sample: n', n, 1);
  const indices = imageIndices ?? Array.from({ length: n! }, (_, i) => i);
  requireInteger('sample: the number of imageIndices', indices.length, 1);
  const batchSize = Math.min(request.batchSize ?? indices.length, indices.length);
  requireInteger('sample: batchSize', batchSize, 1);
  if (initialNoise) checkRows('initialNoise', initialNoise, indices.length, shape);
  for (const [name, array] of Object.entries(inputs)) {
    if (name.startsWith(ownPrefix)) throw new RangeError(`sample: the input name "${name}" is taken`);
    checkRows(`input "${name}"`, array, indices.length);
  }
  const batches: Batch[] = [];
  for (let first = 0; first < indices.length; first += batchSize) {
    const rows = Array.from({ length: batchSize }, (_, i) => Math.min(first + i, indices.length - 1));
    const images = rows.map((row) => indices[row]!);
    const noise = initialNoise
      ? takeRows(initialNoise, rows)
      : normalBatch({ seed, stream: 'sample', step: 0, indices: images }, shape);
    batches.push({
      seed,
      indices: images,
      first,
      count: Math.min(batchSize, indices.length - first),
      initial: float32(
        noise.data.map((value) => value * scale),
        noise.shape,
      ),
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, takeRows(array, rows)])),
    });
  }
  return batches;
}

function checkRows(what: string, { shape }: NdArray, rows: number, image?: readonly number[]): void {
  const wanted = image ? `[${[rows, ...image].join(', ')}]` : `[${rows}, ...]`;
  if (shape[0] !== rows || (image && String(shape.slice(1)) !== String(image))) {
    throw new RangeError(`sample: ${what} has shape [${shape.join(', ')}], not ${wanted}`);
  }
}

function takeRows(array: NdArray, rows: readonly number[]): NdArray {
  const size = array.data.length / array.shape[0]!;
  const data = array.data.slice(0, rows.length * size);
  rows.forEach((row, i) => data.set(array.data.subarray(row * size, (row + 1) * size), i * size));
  return { dtype: array.dtype, shape: [rows.length, ...array.shape.slice(1)], data };
}

function firstRows(array: NdArray, count: number): Float32NdArray {
  const size = array.data.length / array.shape[0]!;
  return float32(array.data.subarray(0, count * size), [count, ...array.shape.slice(1)]);
}

function joined(parts: readonly Float32Array[], shape: readonly number[]): Float32NdArray {
  const data = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  const size = shape.reduce((product, d) => product * d, 1);
  return { dtype: 'float32', shape: [data.length / size, ...shape], data };
}

const isHandle = (state: Arrays | StateHandle): state is StateHandle => typeof state['read'] === 'function';

// The sampler's inputs and outputs carry a prefix, so that any other name is free for the caller's.
const ownPrefix = 'sampler/';
const ownName = (name: string): string => ownPrefix + name;

function renamed(arrays: Arrays, rename: (name: string) => string): Arrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [rename(name), array]));
}

function parted(all: Tensors): { own: Tensors; user: Tensors } {
  const own: Tensors = {};
  const user: Tensors = {};
  for (const [name, tensor] of Object.entries(all)) {
    if (name.startsWith(ownPrefix)) own[name.slice(ownPrefix.length)] = tensor;
    else user[name] = tensor;
  }
  return { own, user };
}
