/** The denoising loss of given images, noise, and noise levels, as the squared error of epsilon. */
import type { NoiseLevel } from '@dm/core';
import { float32, oneHot, type Arrays, type Engine, type Program, type StateHandle } from '@dm/ops';
import { UserError } from '../../errors.js';
import type { Denoiser } from '../../setup/denoiser.js';
import { noiseLevelInputs } from '../../step/batch.js';
import { denoisingLosses } from '../../step/denoising-losses.js';

/** Most images per model call. */
export const mostRows = 64;

/** At most `rows` images, float32 [N, H, W, C], with their classes if there are any. */
export interface MeterImages {
  readonly images: Float32Array;
  readonly labels?: Int32Array | undefined;
}

export interface LossMeter {
  /** Loads weights (`params`, and `buffers` if the model has any) into the engine. */
  load(weights: Arrays): Promise<StateHandle>;
  /** The mean over the values of each image of |epsilon error|^2, [N]; `noise` is [N, H, W, C], one level per image. */
  losses(
    state: StateHandle,
    batch: MeterImages,
    noise: Float32Array,
    levels: readonly NoiseLevel[],
  ): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/**
 * A meter of the weights in the entry `weights` of a state. Whatever the network predicts, the loss is the error of
 * epsilon, so that models can be compared. Without dropout; conditional models receive the classes of the images.
 * `rows` is the number of images per model call.
 */
export function createLossMeter(denoiser: Denoiser, engine: Engine, weights: string, rows: number): LossMeter {
  const { model, config, noiseSchedule } = denoiser;
  const diffusion = { ...config.diffusion, loss: { type: 'epsilon' }, variance: null } as const;
  const ofEpsilon = { config: { ...config, diffusion }, noiseSchedule };
  const program: Program = (state, inputs) => ({
    outputs: { losses: denoisingLosses(denoiser, state[weights]!, state, inputs) },
  });
  const compiled = engine.compile(program, { name: 'validation loss' });
  const shape = [rows, ...model.inputShape];
  const size = shape.reduce((product, length) => product * length, 1);
  return {
    load: (arrays) => compiled.load(arrays),
    async losses(state, { images, labels }, noise, levels) {
      if (model.numClasses > 0 && labels === undefined) {
        throw new UserError('The model is conditional, but the images have no labels: use labeled images.', {
          code: 'DATA_MISMATCH',
        });
      }
      // Always the same number of rows, repeating the last ones: another number would be compiled again.
      const padded = Array.from({ length: rows }, (_, i) => levels[Math.min(i, levels.length - 1)]!);
      const outputs = await compiled.run(state, {
        images: float32(filled(images, size), shape),
        noise: float32(filled(noise, size), shape),
        ...noiseLevelInputs(ofEpsilon, padded),
        ...(model.numClasses > 0 && { cond: oneHot(filled(labels!, rows), model.condDim) }),
      });
      return (outputs['losses']!.data as Float32Array).slice(0, levels.length);
    },
    dispose: () => compiled.dispose(),
  };
}

/** The values, followed by zeros. */
function filled<T extends Float32Array | Int32Array>(values: T, size: number): T {
  if (values.length === size) return values;
  const whole = (values instanceof Float32Array ? new Float32Array(size) : new Int32Array(size)) as T;
  whole.set(values);
  return whole;
}
