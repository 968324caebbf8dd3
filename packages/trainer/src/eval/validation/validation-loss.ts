/** The validation loss of a checkpoint. */
import type { Dataset, Split } from '@dm/data';
import { readWeights } from '../../checkpoint/pack-state.js';
import { UserError } from '../../errors.js';
import {
  readSelectedCheckpoint,
  samplingConfig,
  type GenerateSamplesOptions,
} from '../../sampling/generate-samples.js';
import { weightsFile } from '../../setup/averages.js';
import type { Denoiser } from '../../setup/denoiser.js';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { openDenoiser } from '../../setup/open-denoiser.js';
import { openData } from '../../setup/open-training-setup.js';
import { createValidationSet, createValidator, openValidationData } from './validator.js';
import type { ValidationLoss, ValidationSetting } from './validator.js';

export interface ValidationLossOptions extends Pick<
  GenerateSamplesOptions,
  'run' | 'checkpoint' | 'best' | 'weights' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'
> {
  /** Data set to measure, prepared as the run's images. Default: the images that the run holds out, or its test images. */
  readonly data?: string;
  /** Split of `data`. Default: test. */
  readonly split?: Split;
  /** Number of images, at most. Default: `validation.images` of the run. */
  readonly images?: number;
  /** Draws of noise per image and noise range. Default: `validation.draws` of the run. */
  readonly draws?: number;
}

/**
 * Measures the validation loss of saved weights: the same number as during training, if data, images, and draws are the
 * same.
 *
 * @throws {UserError} `DATA_MISMATCH` if the run has no images for validation and `data` is not given, or if the images of
 *   `data` have another shape than the model's
 */
export async function validationLoss(
  options: ValidationLossOptions,
): Promise<{ readonly checkpoint: string; readonly setting: ValidationSetting; readonly loss: ValidationLoss }> {
  const { data, split = 'test', onPhase } = options;
  const checkpoint = readSelectedCheckpoint(options);
  const config = samplingConfig(checkpoint, options);
  const denoiser = openDenoiser(config);
  const file = weightsFile(config, options.weights);
  const { images = config.validation.images, draws = config.validation.draws } = options;
  const dataset = await (data === undefined
    ? openValidationData(config)
    : openData({ ...config, data, holdOut: null }, split));
  checkShape(denoiser, dataset);
  const set = await createValidationSet(denoiser, dataset, { images, draws });
  const engine = await openEngine(config.engine, { ...engineOptions(config), onPhase });
  try {
    const validator = createValidator(denoiser, engine, 'params', set);
    const state = await validator.load(readWeights(denoiser, checkpoint, file));
    try {
      return { checkpoint: checkpoint.path, setting: set.setting, loss: await validator.measure(state) };
    } finally {
      state.dispose();
      await validator.dispose();
    }
  } finally {
    await engine.dispose();
  }
}

/** @throws {UserError} `DATA_MISMATCH` if the model takes images of another shape */
export function checkShape({ model }: Denoiser, { name, shape }: Dataset): void {
  if (model.inputShape.join('x') === shape.join('x')) return;
  throw new UserError(
    `The model takes images of ${model.inputShape.join('x')} (height x width x channels), but the images of ${name} are ` +
      `${shape.join('x')}. Give data of that size.`,
    { code: 'DATA_MISMATCH' },
  );
}
