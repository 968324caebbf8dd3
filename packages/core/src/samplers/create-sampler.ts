import * as tf from '@tensorflow/tfjs-core';
import {
  type Arrays,
  type CompiledProgram,
  type Engine,
  float32,
  type Float32NdArray,
  type NdArray,
  type Program,
  type StateHandle,
  type Tensors,
} from '@dm/ops';
import { checkInteger } from '@dm/ops';
import type { NoiseLevel, NoisePath } from '../levels/level.js';
import { inputScale, type Prediction } from '../process/prediction.js';
import { normalBatch } from '../random/draw.js';
import { type Batch, type BatchRequest, batchesOf, firstRows, joined } from './batches.js';
import { checkGuidance, type Guidance, guided, guides } from './guidance.js';
import { checkLimit, type X0Clipping } from './x0-clipping.js';
import type { Sampler } from './sampler.js';
import { withChurn, samplerStep, stageInputs } from './step.js';

/**
 * The network: x [N, H, W, C], t [N], and the caller's inputs → [N, H, W, C], or 2C channels with a learned variance.
 */
export type Predict = (state: Tensors, x: tf.Tensor, t: tf.Tensor, inputs: Tensors) => tf.Tensor;

export interface SamplerOptions extends X0Clipping {
  readonly engine: Engine;
  readonly predict: Predict;
  readonly prediction: Prediction;
  /** Standard deviation of the data, used by the prediction `edm`. Default 0.5. */
  readonly sigmaData?: number;
  readonly sampler: Sampler;
  /** The noise levels, such as `discretePath(schedule, { steps })`. */
  readonly path: NoisePath;
  /** [H, W, C] of one image. */
  readonly shape: readonly number[];
  /** Classifier-free guidance, toward `inputs` and away from `unconditional`. Default: none. */
  readonly guidance?: Guidance;
  /**
   * Whether states stay the same from call to call, so that the engine may compile their values in, which takes longer and
   * makes each step faster: see `frozenState` of @dm/ops. Default: false.
   */
  readonly frozenState?: boolean;
}

export interface SampleOptions extends BatchRequest {
  /** The model's state, or a handle to it on the same engine (see `load`), which the caller keeps and disposes. */
  readonly state: Arrays | StateHandle;
  /** Called after each step of each batch. An error it throws stops sampling. */
  readonly onStep?: (progress: SamplingProgress) => void | Promise<void>;
}

export interface SamplingProgress {
  /** Steps done in this batch, from 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Noise level of the step's last model evaluation. */
  readonly level: NoiseLevel;
  /** The batch holds the images [first, first + count) of all that are being sampled. */
  readonly first: number;
  readonly count: number;
  /** x after the step, [count, H, W, C]. */
  readonly x: Float32NdArray;
  /** The step's estimate of the clean image, [count, H, W, C]. */
  readonly x0: Float32NdArray;
}

/** A compiled sampler: the model and the sampler's arithmetic as one program, which runs once per stage. */
export interface ImageSampler {
  /** Copies a state into the engine, for any number of calls of `sample`; the caller disposes of the handle. */
  load(state: Arrays): Promise<StateHandle>;
  /**
   * Samples images, float32 [N, H, W, C]. Calls that share a state handle must not overlap.
   * @throws {RangeError} if a count or a shape is invalid, or guidance is set and `unconditional` is missing
   */
  sample(options: SampleOptions): Promise<Float32NdArray>;
  /** Frees the compiled programs. */
  dispose(): Promise<void>;
}

/**
 * Plans and compiles a sampler.
 * @throws {RangeError} if an option is invalid, or the sampler does not support the prediction or the path
 */
export function createSampler(options: SamplerOptions): ImageSampler {
  const { engine, predict, prediction, sampler, path, shape, clip, threshold, guidance, sigmaData } = options;
  const { frozenState = false } = options;
  const limit: X0Clipping = {
    ...(clip === undefined ? {} : { clip }),
    ...(threshold === undefined ? {} : { threshold }),
  };
  checkLimit(limit);
  if (guidance) checkGuidance(guidance);
  shape.forEach((d, i) => checkInteger(`sampler: shape[${i}]`, d, 1));
  const predictionOptions = sigmaData === undefined ? {} : { sigmaData };
  const plan = sampler.plan(path, prediction, predictionOptions);

  const step =
    (isGuided: boolean): Program =>
    (state, all) => {
      const { own, unconditional, inputs } = splitInputs(all);
      const x = plan.churn ? withChurn(own['x']!, own['churnNoise']!, own['churn']!) : own['x']!;
      const evaluate = (scaled: tf.Tensor, t: tf.Tensor, given: Tensors) => predict(state, scaled, t, given);
      const scaledX = tf.mul(x, own['inputScale']!);
      const output = isGuided
        ? guided(evaluate, scaledX, own['t']!, inputs, unconditional, own['guidanceScale']!)
        : evaluate(scaledX, own['t']!, inputs);
      const history = Object.fromEntries(plan.history.map((name) => [name, own[`history.${name}`]!]));
      const noise = plan.noise ? { noise: own['noise']! } : {};
      const next = samplerStep(plan, { x, output, history, inputs: own, ...noise }, limit);
      const kept = Object.entries(next.history).map(([name, tensor]) => [`history.${name}`, tensor] as const);
      return { outputs: { x: next.x, x0: next.x0, ...Object.fromEntries(kept) } };
    };
  const plain = engine.compile(step(false), { name: `${sampler.name} step`, frozenState });
  const withGuidance = guidance && engine.compile(step(true), { name: `${sampler.name} step, guided`, frozenState });

  const stages = plan.stages.map((stage) => {
    const isGuided = guidance !== undefined && guides(guidance, stage.level);
    const inputs: Arrays = {
      ...stageInputs(plan, stage, prediction, predictionOptions),
      inputScale: float32([inputScale(prediction, stage.level, predictionOptions)], []),
      ...(isGuided ? { guidanceScale: float32([guidance.scale], []) } : {}),
    };
    const program: CompiledProgram = isGuided ? withGuidance! : plain;
    return { ...stage, inputs, isGuided, program };
  });

  async function runBatch(handle: StateHandle, batch: Batch, onStep: SampleOptions['onStep']): Promise<Float32Array> {
    const { seed, indices, first, count } = batch;
    let x: NdArray = batch.initial;
    let history: Arrays = Object.fromEntries(
      plan.history.map((name) => [`history.${name}`, float32(new Float32Array(x.data.length), x.shape)]),
    );
    for (const [k, stage] of stages.entries()) {
      const fresh = (lane: number): NdArray =>
        normalBatch({ seed, stream: 'sample', step: k + 1, indices, lane }, shape);
      const outputs = await stage.program.run(handle, {
        ...batch.inputs,
        ...(stage.isGuided ? renamed(batch.unconditional, unconditionalPrefix) : {}),
        ...renamed(
          {
            ...stage.inputs,
            ...history,
            x,
            t: float32(new Float32Array(indices.length).fill(stage.level.t)),
            ...(plan.noise ? { noise: fresh(0) } : {}),
            ...(plan.churn ? { churnNoise: fresh(1) } : {}),
          },
          ownPrefix,
        ),
      });
      x = outputs['x']!;
      history = Object.fromEntries(Object.keys(history).map((name) => [name, outputs[name]!]));
      if (stage.endsStep && onStep) {
        await onStep({
          step: stage.step + 1,
          steps: plan.steps,
          level: stage.level,
          first,
          count,
          x: firstRows(x, count),
          x0: firstRows(outputs['x0']!, count),
        });
      }
    }
    return firstRows(x, count).data;
  }

  return {
    load: (state) => plain.load(state),
    async sample(request) {
      const batches = batchesOf(request, shape, path.initialScale);
      if (guidance && !request.unconditional) {
        throw new RangeError('sample: guidance needs `unconditional`, the inputs of the unconditional model');
      }
      const handle = isHandle(request.state) ? request.state : await plain.load(request.state);
      try {
        const images: Float32Array[] = [];
        for (const batch of batches) images.push(await runBatch(handle, batch, request.onStep));
        return joined(images, shape);
      } finally {
        if (handle !== request.state) handle.dispose();
      }
    },
    async dispose() {
      await plain.dispose();
      await withGuidance?.dispose();
    },
  };
}

/** Compiles a sampler, samples once, and disposes it. */
export async function sampleImages(options: SamplerOptions & SampleOptions): Promise<Float32NdArray> {
  const prepared = createSampler(options);
  try {
    return await prepared.sample(options);
  } finally {
    await prepared.dispose();
  }
}

const isHandle = (state: Arrays | StateHandle): state is StateHandle => typeof state['read'] === 'function';

// The sampler's inputs are prefixed, so that the caller may use any name without a slash.
const ownPrefix = 'sampler/';
const unconditionalPrefix = 'unconditional/';

function renamed(arrays: Arrays, prefix: string): Arrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [prefix + name, array]));
}

function splitInputs(all: Tensors): { own: Tensors; unconditional: Tensors; inputs: Tensors } {
  const parts = { own: {} as Tensors, unconditional: {} as Tensors, inputs: {} as Tensors };
  for (const [name, tensor] of Object.entries(all)) {
    if (name.startsWith(ownPrefix)) parts.own[name.slice(ownPrefix.length)] = tensor;
    else if (name.startsWith(unconditionalPrefix)) parts.unconditional[name.slice(unconditionalPrefix.length)] = tensor;
    else parts.inputs[name] = tensor;
  }
  return parts;
}
