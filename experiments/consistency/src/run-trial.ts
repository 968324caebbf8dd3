/** Trains one model, generates samples from the shared noise, and measures them. */
import { toBytes, type Dataset } from '@dm/data';
import {
  createDecoder,
  createImageSampler,
  createValidator,
  decoderWeights,
  initialGanWeights,
  halfSplit,
  createPhases,
  trainGan,
  trainVae,
  trialFields,
  trialSteps,
  initialVaeWeights,
  type AnyResult,
  type GanRecipe,
  type SampleQuality,
  type TrainingRecipe,
  type VaeRecipe,
  type Validation,
  type TrialContext,
} from '@dm/experiments';
import { initialState } from '@dm/trainer';
import type { ConsistencyTrial, ModelRecipe } from './arms.js';
import { createClosedFormSampler } from './gaussian.js';
import { nearestTraining } from './nearest-training.js';
import { prefixSwap, type PrefixSwap } from './prefix-swap.js';
import { encodeBytes, quantize, type Quantized } from './encoding.js';

/**
 * Samples of a model, uint8 [kept, H, W, C] as base64. Sample n uses the same noise for all diffusion models, and the
 * same latent for all others.
 */
export interface Samples {
  /** After a quarter of training (`early`) and at its end. Diffusion models use DDIM with eta 0. */
  readonly early?: string;
  readonly final: string;
  /** Diffusion models only: DDPM, also with the same noise in each step. */
  readonly ddpm?: string;
}

export interface ConsistencyResult extends AnyResult {
  readonly recipe: ModelRecipe;
  readonly size: ConsistencyTrial['size'];
  /** Parameters of the network that generates samples. */
  readonly parameters: number;
  readonly shape: readonly [number, number, number];
  readonly samples: Samples;
  /** Features of the final samples, [kept, dimensions]. */
  readonly features: Quantized;
  readonly dimensions: number;
  /** Quality of `size.samples` final samples. */
  readonly quality: SampleQuality;
  /** Diffusion models only: unweighted MSE of the network's own prediction. */
  readonly validation?: Validation;
  /** The Gaussian denoiser only. */
  readonly prefixSwap?: readonly PrefixSwap[];
  /** Mean cosine of the final samples with their nearest training images, see `nearestTraining`. */
  readonly nearestTraining: number;
  readonly extractor: { readonly name: string; readonly weightsSha256: string };
}

type Pixels = Awaited<ReturnType<ReturnType<typeof createDecoder>['samples']>>;

/** Images of a model, in [-1, 1], after a quarter of training and at its end. */
interface GeneratedImages {
  readonly parameters: number;
  readonly early?: Pixels;
  readonly final: Pixels;
  readonly ddpm?: Pixels;
  readonly validation?: Validation;
  readonly prefixSwap?: readonly PrefixSwap[];
  /** Training time in seconds. */
  readonly training: number;
}

export async function runModelTrial(trial: ConsistencyTrial, context: TrialContext): Promise<ConsistencyResult> {
  const began = performance.now();
  const { recipe } = trial.arm;
  const train =
    recipe.data === 'all' ? context.train : await halfSplit(context.train, recipe.data === 'half 0' ? 0 : 1);
  const { model } = recipe;
  const generated = await (model.kind === 'diffusion'
    ? sampleDiffusion(trial, model.training, train, context)
    : model.kind === 'gaussian'
      ? sampleGaussian(trial, train, context)
      : sampleDecoder(trial, model, train, context));
  const kept = (images: Pixels) => toBytes(images.data.slice(0, trial.size.kept * pixelsOf(train)) as Float32Array);
  const final = kept(generated.final);
  const { extractor } = context.sampleMetric;
  const { features } = await extractor.features({ data: final, shape: [trial.size.kept, ...train.shape] });
  const { training } = generated;
  return {
    ...trialFields(trial),
    parameters: generated.parameters,
    shape: train.shape,
    samples: {
      ...(generated.early && { early: encodeBytes(kept(generated.early)) }),
      final: encodeBytes(final),
      ...(generated.ddpm && { ddpm: encodeBytes(kept(generated.ddpm)) }),
    },
    features: quantize(features),
    dimensions: extractor.dimensions,
    quality: await context.sampleMetric.evaluate(generated.final),
    ...(generated.validation && { validation: generated.validation }),
    ...(generated.prefixSwap && { prefixSwap: generated.prefixSwap }),
    nearestTraining: mean((await nearestTraining(final, train)).cosines),
    extractor: { name: extractor.name, weightsSha256: extractor.weightsSha256 },
    seconds: { training, measuring: (performance.now() - began) / 1000 - training },
  };
}

/** Number of training steps, and a quarter of it. */
function stepsOf({ size }: ConsistencyTrial, batchSize: number) {
  const steps = Math.max(1, Math.round(size.images / batchSize));
  return { steps, quarter: Math.max(1, Math.round(steps / 4)) };
}

async function sampleDiffusion(
  trial: ConsistencyTrial,
  training: TrainingRecipe,
  train: Dataset,
  { engine, heldOut }: TrialContext,
): Promise<GeneratedImages> {
  const { size, arm, seed } = trial;
  const phases = createPhases({ stage: trial.stage, arm: { ...arm, recipe: training }, size, seed }, train);
  const { setup } = phases[0]!;
  const ddim = createImageSampler(setup, size.samplerSteps, engine);
  const ddpm = createImageSampler(setup, size.ddpmSteps, engine, { name: 'ddpm' });
  const validator = await createValidator(setup, heldOut, size.validationImages, engine);
  const { quarter } = stepsOf(trial, setup.config.batchSize);
  let weights = initialState(setup)['ema']!;
  let seconds = 0;
  let early: Pixels | undefined;
  if (arm.recipe.isTrained) {
    let from = performance.now();
    for await (const { step, state } of trialSteps(phases, engine)) {
      const isLast = step === phases.at(-1)!.end;
      if (step !== quarter && !isLast) continue;
      seconds += (performance.now() - from) / 1000;
      weights = (await state.read(['ema']))['ema']!;
      if (step === quarter) early = await ddim.samples(weights, size.kept);
      from = performance.now();
    }
  }
  const generated = {
    parameters: setup.layout.size,
    ...(early && { early }),
    final: await ddim.samples(weights, size.samples),
    ddpm: await ddpm.samples(weights, size.kept),
    validation: await validator.validate(weights),
    training: seconds,
  };
  await validator.dispose();
  await ddim.dispose();
  await ddpm.dispose();
  return generated;
}

/** Samples of the closed-form denoisers. */
async function sampleGaussian(
  { size }: ConsistencyTrial,
  train: Dataset,
  { engine }: TrialContext,
): Promise<GeneratedImages> {
  const sampler = await createClosedFormSampler(train, engine);
  const values = pixelsOf(train);
  return {
    // Mean and covariance.
    parameters: values + (values * (values + 1)) / 2,
    final: await sampler.samples(size.samples, size.samplerSteps),
    ddpm: await sampler.samples(size.kept, size.ddpmSteps, { name: 'ddpm' }),
    prefixSwap: await prefixSwap(sampler, train, size.kept, size.samplerSteps),
    training: 0,
  };
}

async function sampleDecoder(
  trial: ConsistencyTrial,
  recipe: GanRecipe | VaeRecipe,
  train: Dataset,
  { engine }: TrialContext,
): Promise<GeneratedImages> {
  const { size, seed, arm } = trial;
  const { steps, quarter } = stepsOf(trial, recipe.batchSize);
  const decoder = createDecoder(engine, train.shape, recipe.kind === 'gan' ? 1 : 0.5);
  let early: Pixels | undefined;
  let measuring = 0;
  const began = performance.now();
  const onDecoder = async (weights: Float32Array): Promise<void> => {
    const from = performance.now();
    early = await decoder.samples(weights, size.kept);
    measuring += performance.now() - from;
  };
  const options = { train, engine, seed, steps, snapshotSteps: [quarter] };
  let weights: Float32Array;
  if (recipe.kind === 'gan') {
    const trained = arm.recipe.isTrained
      ? await trainGan({ ...options, recipe, onSnapshot: (_step, { ema }) => onDecoder(ema) })
      : initialGanWeights(train.shape, seed);
    weights = trained.ema;
  } else {
    const trained = arm.recipe.isTrained
      ? await trainVae({
          ...options,
          recipe,
          onSnapshot: (_step, { ema }) => onDecoder(decoderWeights(ema, train.shape)),
        })
      : initialVaeWeights(train.shape, seed);
    weights = decoderWeights(trained.ema, train.shape);
  }
  const training = arm.recipe.isTrained ? (performance.now() - began - measuring) / 1000 : 0;
  const final = await decoder.samples(weights, size.samples);
  await decoder.dispose();
  return { parameters: weights.length, ...(early && { early }), final, training };
}

const pixelsOf = ({ shape }: Dataset): number => shape.reduce((product, side) => product * side, 1);

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

export function summarize({ quality, validation }: ConsistencyResult): string {
  const loss = validation === undefined ? '' : `validation ${validation.loss.toPrecision(4)}, `;
  return `${loss}FD-classifier ${quality.fd.toPrecision(4)} (EMA)`;
}
