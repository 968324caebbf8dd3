/** Validation loss: unweighted MSE on fixed held-out images, noise, and uniform timesteps. */
import {
  conversion,
  convertPrediction,
  forwardInputs,
  noiseLevels,
  normalBatch,
  permutation,
  targetInputs,
  type Prediction,
} from '@dm/core';
import { toFloat, type Dataset } from '@dm/data';
import { type Arrays, type Engine, float32, type NdArray } from '@dm/ops';
import { denoisingLosses, type ConvertPrediction, type Denoiser } from '@dm/trainer';
import { evenlySpacedIndices } from './data.js';

/** Mean loss, over all timesteps and over each quarter of them, from clean to noisy. */
export interface Validation {
  readonly loss: number;
  readonly quarters: readonly number[];
}

export interface Validator {
  /** The loss of parameters [P]. Images, noise, and timesteps are the same in every call, for all arms and seeds. */
  validate(weights: NdArray): Promise<Validation>;
  dispose(): Promise<void>;
}

/** Batch size. */
const CHUNK = 256;
/** Seed of noise and timesteps, different from the seeds of all runs. */
const SEED = 2_404_079;

/**
 * A validator on `count` held-out images, each at one timestep; the timesteps are evenly spaced over [0, T), in random
 * order. The loss is the error of `measured`, by default the network's own prediction. Networks with different
 * prediction targets are comparable only for the same `measured`, to which their outputs are converted.
 */
export async function createValidator(
  denoiser: Denoiser,
  heldOut: Dataset,
  count: number,
  engine: Engine,
  measured: Prediction = denoiser.config.diffusion.prediction.type,
): Promise<Validator> {
  const { noiseSchedule } = denoiser;
  const prediction = denoiser.config.diffusion.prediction.type;
  const { images } = await heldOut.read(evenlySpacedIndices(count, heldOut.length));
  const order = permutation({ seed: SEED, stream: 'evaluation', step: 0 }, count);
  const timesteps = Array.from(order, (k) => Math.floor(((k + 0.5) * noiseSchedule.numTimesteps) / count));
  const chunks: Arrays[] = [];
  const pixels = images.length / count;
  for (let start = 0; start < count; start += CHUNK) {
    const end = Math.min(count, start + CHUNK);
    const indices = Array.from({ length: end - start }, (_, i) => start + i);
    const at = timesteps.slice(start, end);
    const levels = noiseLevels(noiseSchedule, at);
    const target = targetInputs(measured, levels);
    const conversions = levels.map((level) => conversion(prediction, measured, level));
    chunks.push({
      images: float32(toFloat(images.subarray(start * pixels, end * pixels)), [indices.length, ...heldOut.shape]),
      noise: normalBatch({ seed: SEED, stream: 'evaluation', step: 1, indices }, heldOut.shape),
      t: float32(at),
      ...forwardInputs(levels),
      targetX0: target.x0,
      targetNoise: target.noise,
      ofX: float32(conversions.map(({ x }) => x)),
      ofOutput: float32(conversions.map(({ output }) => output)),
    });
  }
  const program = engine.compile(
    (state, inputs) => {
      const convert: ConvertPrediction = (output, x) =>
        convertPrediction(x, output, { x: inputs['ofX']!, output: inputs['ofOutput']! });
      return { outputs: { losses: denoisingLosses(denoiser, state['weights']!, state, inputs, convert) } };
    },
    { name: 'validation' },
  );
  return {
    async validate(weights) {
      const state = await program.load({ weights });
      const sums = [0, 0, 0, 0];
      const counts = [0, 0, 0, 0];
      let seen = 0;
      for (const chunk of chunks) {
        const { losses } = await program.run(state, chunk);
        losses!.data.forEach((loss) => {
          const quarter = Math.floor((4 * timesteps[seen++]!) / noiseSchedule.numTimesteps);
          sums[quarter]! += loss;
          counts[quarter]! += 1;
        });
      }
      state.dispose();
      const total = sums.reduce((a, b) => a + b, 0);
      return { loss: total / seen, quarters: sums.map((sum, q) => sum / counts[q]!) };
    },
    dispose: () => program.dispose(),
  };
}
