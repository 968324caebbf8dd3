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
  type GanRecipe,
  type TrainingRecipe,
  type VaeRecipe,
  type Validation,
  type TrialContext,
} from '@dm/experiments';
import { initialState } from '@dm/trainer';
import type { ConsistencyTrial } from './arms.js';
import { createClosedFormSampler } from './gaussian.js';
import { runLatentsTrial, type LatentsResult, type LatentsTrial } from './latents.js';
import { nearestTraining } from './nearest-training.js';
import { similarityOf } from './pairs.js';
import type { ConsistencyResult } from './result.js';
import { prefixSwap, type PrefixSwap } from './prefix-swap.js';
import { encodeBytes, quantize } from './encoding.js';

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

/** Runs a trial of either stage. */
export function runAnyTrial(
  trial: ConsistencyTrial | LatentsTrial,
  context: TrialContext,
): Promise<ConsistencyResult | LatentsResult> {
  return 'references' in trial ? runLatentsTrial(trial, context) : runModelTrial(trial, context);
}

async function runModelTrial(trial: ConsistencyTrial, context: TrialContext): Promise<ConsistencyResult> {
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

export function summarize(result: ConsistencyResult | LatentsResult): string {
  if ('groups' in result) {
    return result.groups
      .map(({ name, pairs }) => `${name} ${similarityOf(pairs.cosine!).same.mean.toFixed(3)}`)
      .join(', ');
  }
  const { quality, validation } = result;
  const loss = validation === undefined ? '' : `validation ${validation.loss.toPrecision(4)}, `;
  return `${loss}FD-classifier ${quality.fd.toPrecision(4)} (EMA)`;
}
