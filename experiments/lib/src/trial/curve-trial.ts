/** Runs whose loss is read at given numbers of images, such as a baseline's curve, optionally with the quality of samples. */
import { toFloat, type Dataset } from '@dm/data';
import { float32, type NdArray } from '@dm/ops';
import { createValidationSet, createValidator, UserError } from '@dm/trainer';
import type { Size } from '../recipe/sizes.js';
import { trialFields, type AnyResult, type AnyTrial, type Arm } from '../recipe/trial.js';
import { disjointSets, holdOut } from './data.js';
import type { TrialContext } from './run-trial.js';
import { createImageSampler, type SampleQuality } from './sample-quality.js';
import { createPhases } from './setup.js';
import { trialSteps } from './trial-steps.js';

/** Measurements of a run, in addition to its size. */
export interface CurveMeasurements {
  /** Training images that are held out for validation: the last ones. */
  readonly holdOut: number;
  /** Images that are measured: the validation images for tuning and search, the test images for final results. */
  readonly split: 'validation' | 'test';
  /** Images in the loss, each with one draw of noise in each noise bucket. */
  readonly lossImages: number;
  /** Images seen at which the loss is read, ascending; the last number belongs to the whole run. */
  readonly readAt: readonly number[];
  /** Images seen at which samples are drawn; a part of `readAt`. */
  readonly sampleAt: readonly number[];
  /** Number of disjoint sets of training images whose distance to the test images is measured: the floor of samples. */
  readonly floorSets: number;
}

export interface CurveTrial extends AnyTrial {
  readonly arm: Arm;
  readonly size: Size & CurveMeasurements;
}

export interface Reading {
  readonly images: number;
  /** E1: geometric mean of the loss of the EMA weights over the noise buckets. */
  readonly loss: number;
  /** Mean squared error of epsilon in each bucket, from noisy to clean. */
  readonly buckets: readonly number[];
  /** Distances of the samples to the test images (E2). */
  readonly samples?: SampleQuality;
}

export interface CurveResult extends AnyResult {
  readonly recipe: CurveTrial['arm']['recipe'];
  readonly size: CurveTrial['size'];
  readonly parameters: number;
  readonly readings: readonly Reading[];
  /** Distances of sets of training images, as many as there are samples, to the test images. */
  readonly floors?: readonly SampleQuality[];
  /** Step of the first non-finite update, at which the run ended. */
  readonly divergedAt?: number;
}

/** Trains with all but the last `holdOut` training images. If training diverges, the result ends before that step. */
export async function runCurveTrial(trial: CurveTrial, context: TrialContext): Promise<CurveResult> {
  const { arm, size } = trial;
  const { engine, sampleMetric } = context;
  const { train, validation } = await holdOut(context.train, size.holdOut);
  const measured = size.split === 'test' ? context.heldOut : validation;
  const phases = createPhases(trial, train);
  const { setup } = phases[0]!;
  const validator = createValidator(
    setup,
    engine,
    'params',
    await createValidationSet(setup, measured, { images: size.lossImages, draws: 1 }),
  );
  const sampler = createImageSampler(setup, size.samplerSteps, engine);
  const read = async (images: number, weights: NdArray): Promise<Reading> => {
    const state = await validator.load({ params: weights });
    const { geometricMean, buckets } = await validator.measure(state);
    state.dispose();
    const samples = size.sampleAt.includes(images)
      ? await sampleMetric.evaluate(await sampler.samples(weights, size.samples))
      : undefined;
    return {
      images,
      loss: rounded(geometricMean),
      buckets: buckets.map((loss) => rounded(loss!)),
      ...(samples !== undefined && { samples: roundedQuality(samples) }),
    };
  };

  const readings: Reading[] = [];
  const floors: SampleQuality[] = [];
  let divergedAt: number | undefined;
  let lastStep = 0;
  let measuring = 0;
  const began = performance.now();
  try {
    for await (const { step, images, state } of trialSteps(phases, engine, { coupling: arm.recipe.coupling })) {
      lastStep = step;
      if (!size.readAt.includes(images)) continue;
      const pause = performance.now();
      const { ema } = (await state.read(['ema'])) as Record<string, NdArray>;
      readings.push(await read(images, ema!));
      measuring += performance.now() - pause;
    }
  } catch (error) {
    if (!(error instanceof UserError && error.code === 'LOSS_NOT_FINITE')) throw error;
    divergedAt = lastStep + 1;
  }
  const training = performance.now() - began - measuring;
  const pause = performance.now();
  for (const indices of disjointSets(size.floorSets, size.samples, train.length)) {
    floors.push(roundedQuality(await sampleMetric.evaluate(await imagesAt(train, indices))));
  }
  measuring += performance.now() - pause;
  await validator.dispose();
  await sampler.dispose();
  return {
    ...trialFields(trial),
    parameters: setup.layout.size,
    readings: readings.filter(({ loss }) => Number.isFinite(loss)),
    ...(floors.length > 0 && { floors }),
    ...(divergedAt !== undefined && { divergedAt }),
    seconds: { training: training / 1000, measuring: measuring / 1000 },
  };
}

/** Rounds to six significant digits, to keep committed files small. */
const rounded = (value: number): number => Number(value.toPrecision(6));
const roundedQuality = ({ fd, kd }: SampleQuality): SampleQuality => ({ fd: rounded(fd), kd: rounded(kd) });

/** Images in [-1, 1], [N, H, W, C]. */
async function imagesAt(dataset: Dataset, indices: Uint32Array): Promise<NdArray> {
  const { images } = await dataset.read(indices);
  return float32(toFloat(images), [indices.length, ...dataset.shape]);
}

/** The loss after the last image; Infinity if the run diverged. */
export function finalLoss({ readings, divergedAt, size }: CurveResult): number {
  const last = readings.at(-1);
  return divergedAt === undefined && last !== undefined && last.images >= size.images ? last.loss : Infinity;
}

export function summarizeCurve({ readings, divergedAt }: CurveResult): string {
  if (divergedAt !== undefined) return `diverged at step ${divergedAt}`;
  const { loss, samples } = readings.at(-1)!;
  const fd = samples === undefined ? '' : `, FD-classifier ${samples.fd.toPrecision(3)}`;
  return `geometric mean of the loss ${loss.toPrecision(4)}${fd}`;
}
