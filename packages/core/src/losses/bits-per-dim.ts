import { type Arrays, checkInteger, type Engine, float32, type Float32NdArray, type StateHandle } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { levelAt } from '../levels/level.js';
import { forwardInputs, noiseLevels } from '../process/coefficients.js';
import { addNoise } from '../process/forward.js';
import { conversion, type Prediction, type PredictionOptions } from '../process/prediction.js';
import { normalBatch } from '../random/draw.js';
import type { Predict } from '../samplers/create-sampler.js';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { boundInputs, boundInputNames, type BoundInputs, boundTerm, priorTerm } from './variational-bound.js';

export interface BitsPerDimOptions extends PredictionOptions {
  readonly engine: Engine;
  readonly state: Arrays | StateHandle;
  readonly predict: Predict;
  readonly prediction: Exclude<Prediction, 'edm'>;
  readonly schedule: NoiseSchedule;
  readonly variance: 'fixedSmall' | 'fixedLarge' | 'learnedRange';
  /** [N, H, W, C] in [-1, 1], quantized to steps of 2 / 255. */
  readonly images: Float32NdArray;
  /** Extra inputs of `predict`, [N, ...] each. */
  readonly inputs?: Arrays;
  readonly seed: number;
  /** Index of each image, which selects its noise. Default: 0 to N - 1. */
  readonly imageIndices?: readonly number[];
  /** The predicted x_0 is clipped to [-clip, clip]. Default 1; `Infinity` disables clipping. */
  readonly clip?: number;
  /** Standard normal noise [N, H, W, C] for a timestep, instead of noise drawn from the seed. */
  readonly noiseAt?: (t: number) => Float32NdArray;
}

export interface BitsPerDim {
  /** [N]: the sum of `prior` and all `terms`. */
  readonly total: Float64Array;
  readonly prior: Float32Array;
  /** terms[t] is [N]. */
  readonly terms: readonly Float32Array[];
}

/**
 * The variational bound on the negative log-likelihood of images, in bits per dimension: T evaluations of the model.
 * Section 3.3 and Eq. 13 of Ho et al. 2020, arXiv:2006.11239.
 * @throws {RangeError} if `images` is empty, imageIndices has another length, or the prediction does not determine
 * x_0 at every timestep
 */
export async function bitsPerDim(options: BitsPerDimOptions): Promise<BitsPerDim> {
  const { engine, predict, prediction, schedule, variance, images, seed, clip = 1 } = options;
  const [n, ...shape] = images.shape;
  checkInteger('bitsPerDim: number of images', n ?? 0, 1);
  const indices = options.imageIndices ?? Array.from({ length: n! }, (_, i) => i);
  if (indices.length !== n) throw new RangeError(`bitsPerDim: ${n} images have ${indices.length} imageIndices`);
  const last = schedule.numTimesteps - 1;
  conversion(prediction, 'x0', levelAt(schedule, last), options); // throws before any work is done

  const program = engine.compile(
    (state, inputs) => {
      const own = (name: string): tf.Tensor => inputs[`bound/${name}`]!;
      const given = Object.fromEntries(Object.entries(inputs).filter(([name]) => !name.startsWith('bound/')));
      const xt = addNoise(own('x0'), own('noise'), { alpha: own('alpha'), sigma: own('sigma') });
      const all = predict(state, xt, own('t'), given);
      const [output, learned] = variance === 'learnedRange' ? tf.split(all, 2, -1) : [all];
      const coefficients = Object.fromEntries(
        boundInputNames.map((name) => [name, own(name)]),
      ) as BoundInputs<tf.Tensor>;
      const term = boundTerm(
        { x0: own('x0'), xt, output: output!, variance: variance === 'learnedRange' ? learned! : variance },
        coefficients,
        Number.isFinite(clip) ? { clip } : {},
      );
      return { outputs: { term, prior: priorTerm(own('x0'), { alpha: own('alpha'), sigma: own('sigma') }) } };
    },
    { name: 'variational bound' },
  );
  const given = options.state;
  const handle = isHandle(given) ? given : await program.load(given);
  try {
    const terms: Float32Array[] = [];
    let prior = new Float32Array();
    for (let t = 0; t <= last; t++) {
      const timesteps = Array<number>(n).fill(t);
      const own: Arrays = {
        x0: images,
        noise: options.noiseAt?.(t) ?? normalBatch({ seed, stream: 'evaluation', step: t, indices }, shape),
        t: float32(timesteps),
        ...forwardInputs(noiseLevels(schedule, timesteps)),
        ...boundInputs(schedule, timesteps, prediction, options),
      };
      const outputs = await program.run(handle, {
        ...options.inputs,
        ...Object.fromEntries(Object.entries(own).map(([name, array]) => [`bound/${name}`, array])),
      });
      terms.push(Float32Array.from(outputs['term']!.data));
      if (t === last) prior = Float32Array.from(outputs['prior']!.data);
    }
    const total = Float64Array.from(prior, (p, i) => terms.reduce((sum, term) => sum + term[i]!, p));
    return { total, prior, terms };
  } finally {
    if (handle !== given) handle.dispose();
    await program.dispose();
  }
}

const isHandle = (state: Arrays | StateHandle): state is StateHandle => typeof state['read'] === 'function';
