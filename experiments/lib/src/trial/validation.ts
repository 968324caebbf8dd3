/** Held-out loss: a plain MSE over uniform timesteps, on fixed images, noise and timesteps. */
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

/** Mean loss, and by quarter of the timesteps, from clean to noisy. */
export interface Validation {
  readonly loss: number;
  readonly quarters: readonly number[];
}

export interface Validator {
  /** Of parameters [P]. The same images, noise and timesteps at every call, for every arm and seed. */
  validate(weights: NdArray): Promise<Validation>;
  dispose(): Promise<void>;
}

/** Images that go through the model at a time. */
const CHUNK = 256;
/** Of the noise and the timesteps: not that of any run. */
const SEED = 2_404_079;

/**
 * `count` held-out images, image i at one timestep; the timesteps are spread evenly over [0, T), in random order. The
 * loss is of what the network says of `measured`, by default what it predicts itself: networks that predict different
 * things have one task on one noise schedule only if all are asked for the same.
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
