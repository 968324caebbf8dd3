/** Agreement of denoisers at each noise level on the same noisy images, independent of any sampler. */
import { logSnrs, normalBatch, timestepOfLogSnr } from '@dm/core';
import { readValues } from '@dm/data';
import { selectIndices, consistency, type PairReport, type SampleSet } from '@dm/eval';
import { type Arrays, float32, type NdArray, oneHot } from '@dm/ops';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { UserError } from '../../errors.js';
import type { Denoiser } from '../../setup/denoiser.js';
import { openData } from '../../setup/open-training-setup.js';
import type { GenerateSamplesOptions } from '../../sampling/generate-samples.js';
import { openModel, predictedV, type OpenedModel } from './predicted-v.js';

export interface DenoiserOptions extends Pick<
  GenerateSamplesOptions,
  'best' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'
> {
  /** Number of noise levels, evenly spaced in the first model's timesteps. Default: 10. */
  readonly levels?: number;
  /** Number of images, chosen at random from the first run's data. Default: 64. */
  readonly count?: number;
  /** Random seed of the noise and the choice of images. Default: 0. */
  readonly seed?: number;
  /** Called after each level of each model. */
  readonly onProgress?: (name: string, done: number, of: number) => void;
}

/** Agreement at one noise level. */
export interface LevelAgreement {
  /** ln(alpha^2 / sigma^2). */
  readonly logSnr: number;
  /** The timestep of each model at this noise level; fractional if its noise schedule differs. */
  readonly timesteps: readonly number[];
  /** Cosine and MAE of the predicted v with their controls, for each pair of models and overall. */
  readonly pairs: readonly PairReport[];
  readonly overall: PairReport;
}

/**
 * Every model denoises the same images with the same noise, using its EMA weights. Compares v = alpha epsilon - sigma x_0
 * (Salimans & Ho 2022, arXiv:2202.00512) after subtracting the mean over the images. Unlike epsilon at high noise or x_0 at
 * low noise, v is never a copy of the input, on which all models would agree.
 *
 * @throws {UserError} if the models take images of different shapes, or share no noise level, or the data has too few
 *   images or no labels
 */
export async function denoiserAgreement(
  specs: readonly string[],
  options: DenoiserOptions = {},
): Promise<LevelAgreement[]> {
  const measure = await prepareDenoiserAgreement(specs, options);
  return measure();
}

/**
 * Opens the models and reads the images; the result computes `denoiserAgreement`.
 *
 * @throws {UserError} as `denoiserAgreement`, before any computation
 */
export async function prepareDenoiserAgreement(
  specs: readonly string[],
  options: DenoiserOptions,
): Promise<() => Promise<LevelAgreement[]>> {
  const { levels = 10, count = 64, seed = 0, onPhase, onProgress } = options;
  if (!Number.isInteger(levels) || levels < 1) throw new UserError(`--levels must be at least 1, got ${levels}.`);
  const models = specs.map((spec) => openModel(spec, options));
  const first = models[0]!.denoiser;
  const shape = first.model.inputShape;
  for (const { name, denoiser } of models) {
    if (denoiser.model.inputShape.join('x') !== shape.join('x')) {
      throw new UserError(
        `${name} takes images of ${denoiser.model.inputShape.join('x')}, ${models[0]!.name} of ${shape.join('x')}.`,
        { code: 'SETS_MISMATCH' },
      );
    }
  }
  const chosen = sharedLevels(models, levels);
  const { images, labels } = await dataOf(first, count, seed);
  const noise = normalBatch({ seed, stream: 'evaluation', indices: Array.from({ length: count }, (_, i) => i) }, shape);
  const inputs = models.map(({ denoiser }) => ({ images, noise, ...conditions(denoiser, labels) }));

  return async () => {
    // outputs[level][model]. One engine at a time, since two of them compete for the processor.
    const outputs: SampleSet[][] = chosen.map(() => []);
    for (const [m, model] of models.entries()) {
      const { name, denoiser } = model;
      const { config } = denoiser;
      const engine = await openEngine(config.engine, { ...engineOptions(config), onPhase });
      try {
        const predicted = await predictedV(model, engine, inputs[m]!, chosen, {
          onLevel: (done) => onProgress?.(name, done, chosen.length),
        });
        for (const [k, samples] of predicted.entries()) outputs[k]!.push({ name, samples });
      } finally {
        await engine.dispose();
      }
    }
    return chosen.map((logSnr, k) => {
      const { pairs, overall } = consistency(outputs[k]!, { shape, metrics: ['cosine', 'mae'], seed });
      const timesteps = models.map(({ denoiser }) => timestepOfLogSnr(denoiser.noiseSchedule, logSnr));
      return { logSnr, timesteps, pairs, overall };
    });
  };
}

/**
 * Log-SNRs at the centers of `levels` equal parts of the first model's timesteps, except those outside the schedule of
 * another model and SNR 0, which is pure noise.
 */
function sharedLevels(models: readonly OpenedModel[], levels: number): number[] {
  const all = models.map(({ denoiser }) => logSnrs(denoiser.noiseSchedule));
  const { numTimesteps } = models[0]!.denoiser.noiseSchedule;
  const high = Math.min(...all.map((values) => values[0]!));
  const low = Math.max(...all.map((values) => values.at(-1)!));
  const chosen = Array.from({ length: levels }, (_, k) => all[0]![Math.floor(((k + 0.5) * numTimesteps) / levels)]!);
  const shared = [...new Set(chosen)].filter((value) => Number.isFinite(value) && value >= low && value <= high);
  if (shared.length === 0)
    throw new UserError('The noise schedules of the models share none of these levels.', { code: 'SETS_MISMATCH' });
  return shared;
}

/**
 * Images of the run's data, float32 [count, H, W, C], with their labels if there are any.
 *
 * @throws {UserError} `OPTION_INVALID` if there are fewer
 */
async function dataOf(
  { config }: Denoiser,
  count: number,
  seed: number,
): Promise<{ images: NdArray; labels: Int32Array | undefined }> {
  const dataset = await openData(config);
  const { name, length } = dataset;
  if (count > length) {
    throw new UserError(
      `The denoisers are compared on as many images as there are samples: ${name} has ${length}, but ${count} are needed. ` +
        `Give --count ${length} or less.`,
    );
  }
  const { images, labels } = await readValues(dataset, selectIndices(name, length, { count, seed }));
  return { images: float32(images, [count, ...dataset.shape]), labels };
}

/** The classes of the images as one-hot rows; empty for an unconditional model. */
function conditions({ model }: Denoiser, labels: Int32Array | undefined): Arrays {
  if (model.numClasses === 0) return {};
  if (labels === undefined)
    throw new UserError('A conditional model needs class labels, which the data does not have.');
  return { cond: oneHot(labels, model.condDim) };
}
