/**
 * The second stage: generative models whose latents need more than the same random numbers for a fair comparison. Each
 * trial trains one model with all seeds and compares the pairs, since an alignment needs both models at hand.
 */
import { normalBatch } from '@dm/core';
import { toBytes, toFloat } from '@dm/data';
import {
  createDecoder,
  createImageSampler,
  createPhases,
  decoderWeights,
  encoderLayout,
  evenlySpacedIndices,
  initialGanWeights,
  initialVaeWeights,
  LATENT_SIZE,
  sharedLatents,
  sharedNoise,
  trainGan,
  trainVae,
  trialFields,
  trialSteps,
  type AnyResult,
  type GanRecipe,
  type SampleQuality,
  type StageResults,
  type TrainingRecipe,
  type TrialContext,
  type VaeRecipe,
} from '@dm/experiments';
import { float32, type NdArray } from '@dm/ops';
import { initialState } from '@dm/trainer';
import { Matrix, solve } from 'ml-matrix';
import {
  arrayOf,
  encodeLatents,
  matrixOf,
  orthogonalProcrustes,
  randomOrthogonal,
  trainLatentEncoder,
  type LatentEncoderRecipe,
} from './align.js';
import { gaussianArm, type ConsistencySize } from './arms.js';
import { decodeBytes, encodeBytes } from './encoding.js';
import { compileFlow, flowTables, initialFlowWeights, trainFlow, type FlowRecipe } from './normalizing-flow.js';
import { comparePair, withoutProjections, type PairReport } from './pairs.js';
import type { ConsistencyResult } from './result.js';

export const latentsStage = 'latents';

/** The model of a trial, trained with each of `seeds`. */
export interface LatentsRecipe {
  readonly model:
    | {
        readonly kind: 'aligned';
        readonly of: GanRecipe | VaeRecipe;
        /** Latents (GAN) or held-out images (VAE) to which the rotation is fitted. */
        readonly fitted: number;
        /** The encoder of a GAN's images; a VAE has its own. */
        readonly encoder: LatentEncoderRecipe;
      }
    | { readonly kind: 'normalizing'; readonly flow: FlowRecipe; readonly fitted: number }
    | { readonly kind: 'rectified'; readonly training: TrainingRecipe };
  readonly isTrained: boolean;
  readonly seeds: readonly number[];
  /** Keys of the committed samples that flows are compared with. */
  readonly comparedWith: readonly string[];
}

export interface LatentsTrial {
  readonly stage: string;
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: LatentsRecipe };
  readonly size: ConsistencySize;
  readonly seed: number;
  /** Samples of the UNets and the Gaussian denoiser, whose keys are `comparedWith`. */
  readonly references: readonly Reference[];
}

interface Reference {
  readonly arm: string;
  readonly seed: number;
  readonly samples: string;
}

/** By which part of the samples models are compared. */
export type LatentsMeasure = 'cosine' | 'residual' | 'beyondNoise';

/** The pairs of two models, or of a control. */
export interface LatentsGroup {
  readonly name: string;
  /** `trained` groups are void if they are not clearly closer than the untrained group. */
  readonly kind: 'trained' | 'untrained' | 'gaussian' | 'control';
  readonly pairs: Readonly<Partial<Record<LatentsMeasure, readonly PairReport[]>>>;
}

export interface LatentsResult extends AnyResult {
  readonly recipe: LatentsRecipe;
  readonly parameters: number;
  readonly shape: readonly [number, number, number];
  readonly groups: readonly LatentsGroup[];
  /** Quality of `size.samples` samples, by seed. */
  readonly quality: readonly SampleQuality[];
  /** Encoders of a GAN's images: fraction of the latents' variance explained on other latents, by seed. */
  readonly encoderR2?: readonly number[];
  /** Normalizing flows: bits per pixel of held-out images, by seed. */
  readonly bitsPerDim?: readonly number[];
  /** Normalizing flows: fraction of the samples' variance that the best affine map of the noise explains, by seed. */
  readonly linearR2?: readonly number[];
  /** Trained models only: the first samples, uint8 [columns, H, W, C], by `encodeBytes`. */
  readonly pictures: readonly { readonly name: string; readonly images: string }[];
}

/** Images per row of the picture. */
const COLUMNS = 16;
/** Seeds of latents and rotations, different from those of training and of `sharedLatents`. */
const FIT_SEED = 79_462_405;

/** Samples of the models of the first stage that flows are compared with. */
export function referencesOf(models: StageResults<ConsistencyResult> | undefined): {
  readonly references: readonly Reference[];
  readonly comparedWith: readonly string[];
} {
  const results = ['unet', gaussianArm].flatMap((arm) => models?.get(arm) ?? []);
  return {
    references: results.map(({ arm, seed, samples }) => ({ arm, seed, samples: samples.final })),
    comparedWith: results.map(({ key }) => key),
  };
}

/** Everything of a result but the fields that all have. */
type Measured = Omit<LatentsResult, keyof AnyResult | 'recipe' | 'shape'> & { readonly training: number };

export async function runLatentsTrial(trial: LatentsTrial, context: TrialContext): Promise<LatentsResult> {
  const began = performance.now();
  const { model } = trial.arm.recipe;
  const { training, ...measured } = await (model.kind === 'aligned'
    ? runAligned(trial, model, context)
    : model.kind === 'normalizing'
      ? runNormalizing(trial, model, context)
      : runRectified(trial, model.training, context));
  return {
    ...trialFields(trial),
    shape: context.train.shape,
    ...measured,
    seconds: { training, measuring: (performance.now() - began) / 1000 - training },
  };
}

const bytesOf = ({ data }: NdArray, count: number, { shape }: TrialContext['train']): Uint8Array =>
  toBytes(data.slice(0, count * shape.reduce((product, side) => product * side, 1)) as Float32Array);

/** Pairs a < b of indices. */
const pairsOf = (count: number): [number, number][] =>
  Array.from({ length: count }, (_, a) =>
    Array.from({ length: count - a - 1 }, (__, i): [number, number] => [a, a + 1 + i]),
  ).flat();

/** A GAN or VAE: weights of the decoder, and of the encoder if it has one. */
interface DecoderModel {
  readonly decoder: Float32Array;
  readonly encoder?: Float32Array;
}

async function trainDecoder(
  { size, arm }: LatentsTrial,
  recipe: GanRecipe | VaeRecipe,
  seed: number,
  { train, engine }: TrialContext,
): Promise<DecoderModel> {
  const { isTrained } = arm.recipe;
  const options = { train, engine, seed, steps: Math.max(1, Math.round(size.images / recipe.batchSize)) };
  if (recipe.kind === 'gan') {
    const { ema } = isTrained ? await trainGan({ ...options, recipe }) : initialGanWeights(train.shape, seed);
    return { decoder: ema };
  }
  const { ema } = isTrained ? await trainVae({ ...options, recipe }) : initialVaeWeights(train.shape, seed);
  const encoder = ema.slice(0, encoderLayout(train.shape, 2 * LATENT_SIZE).size);
  return { decoder: decoderWeights(ema, train.shape), encoder };
}

/**
 * Pairs of GANs or VAEs after the best rotation of the latents. For VAEs, the rotation is the one between the means of
 * both encoders for the same held-out images. A GAN has no encoder: one is trained to find the latents of a GAN's images,
 * and the rotation is the one between the latents of one GAN and what the other's encoder finds in their images. All
 * cosines are measured on `sharedLatents`, to which nothing was fitted.
 */
async function runAligned(
  trial: LatentsTrial,
  { of, fitted, encoder: encoderRecipe }: Extract<LatentsRecipe['model'], { kind: 'aligned' }>,
  context: TrialContext,
): Promise<Measured> {
  const { engine, train, heldOut } = context;
  const { isTrained, seeds } = trial.arm.recipe;
  const { kept, samples } = trial.size;
  const slope = of.kind === 'gan' ? 1 : 0.5;
  let from = performance.now();
  const models: DecoderModel[] = [];
  for (const seed of seeds) models.push(await trainDecoder(trial, of, seed, context));
  const training = isTrained ? (performance.now() - from) / 1000 : 0;

  const generator = createDecoder(engine, train.shape, slope);
  const indices = Array.from({ length: fitted }, (_, i) => i);
  const fitLatents = normalBatch({ seed: FIT_SEED, stream: 'probe', indices }, [LATENT_SIZE]);
  const latents = sharedLatents(kept);
  const decoded = async (n: number, z: Matrix) =>
    bytesOf(await generator.decode(models[n]!.decoder, arrayOf(z)), kept, train);

  const encoders: { params: Float32Array; outputs: number }[] = [];
  for (const [n, { decoder, encoder }] of models.entries()) {
    const options = { engine, shape: train.shape, decoder, slope, recipe: encoderRecipe, seed: FIT_SEED + n };
    encoders.push(
      encoder === undefined
        ? { params: await trainLatentEncoder(options), outputs: LATENT_SIZE }
        : { params: encoder, outputs: 2 * LATENT_SIZE },
    );
  }
  const encode = async (n: number, images: NdArray) => matrixOf(await encodeLatents(engine, encoders[n]!, images));
  /** What each pair's rotation is fitted to: rows of latents of model a, and rows that b's encoder finds. */
  const correspondences: (a: number, b: number) => Promise<[Matrix, Matrix]> = await (async () => {
    if (of.kind === 'gan') {
      const z = matrixOf(fitLatents);
      return async (a, b) => [z, await encode(b, await generator.decode(models[a]!.decoder, fitLatents))];
    }
    const { images } = await heldOut.read(evenlySpacedIndices(Math.min(fitted, heldOut.length), heldOut.length));
    const batch = float32(toFloat(images), [images.length / train.shape.reduce((x, y) => x * y, 1), ...train.shape]);
    return async (a, b) => [await encode(a, batch), await encode(b, batch)];
  })();

  const z = matrixOf(latents);
  const groups: Record<'same' | 'aligned' | 'shuffled' | 'encoded' | 'copy', PairReport[]> = {
    same: [],
    aligned: [],
    shuffled: [],
    encoded: [],
    copy: [],
  };
  const pictures: LatentsResult['pictures'][number][] = [];
  const compare = (a: Uint8Array, b: Uint8Array) => comparePair(a, b, train.shape);
  for (const [a, b] of pairsOf(seeds.length)) {
    const [x, y] = await correspondences(a, b);
    const rotation = orthogonalProcrustes(x, y);
    // Row i against row i + 1: the same latents, in pairs that have nothing in common.
    const order = Array.from({ length: y.rows }, (_, i) => (i + 1) % y.rows);
    const shuffled = orthogonalProcrustes(x, y.subMatrixRow(order, 0, LATENT_SIZE - 1));
    const first = await decoded(a, z);
    const aligned = await decoded(b, z.mmul(rotation));
    groups.same.push(compare(first, await decoded(b, z)));
    groups.aligned.push(compare(first, aligned));
    groups.shuffled.push(compare(first, await decoded(b, z.mmul(shuffled))));
    // Any map of the latents, as good as the encoder knows it; a rotation is a special case.
    const found = await encode(b, await generator.decode(models[a]!.decoder, latents));
    groups.encoded.push(compare(first, await decoded(b, found)));
    if (isTrained && pictures.length === 0) {
      const row = (name: string, images: Uint8Array) => ({
        name,
        images: encodeBytes(images.subarray(0, (COLUMNS * images.length) / kept)),
      });
      pictures.push(row(`seed ${seeds[a]!}`, first), row(`seed ${seeds[b]!}, aligned`, aligned));
    }
  }
  // The method must find a rotation that exists: of a model and itself with rotated latents.
  for (const n of seeds.keys()) {
    const secret = randomOrthogonal(LATENT_SIZE, FIT_SEED + n);
    const rotated = await generator.decode(models[n]!.decoder, arrayOf(matrixOf(fitLatents).mmul(secret)));
    const rotation = orthogonalProcrustes(matrixOf(fitLatents), await encode(n, rotated));
    groups.copy.push(compare(await decoded(n, z.mmul(secret)), await decoded(n, z.mmul(rotation))));
  }
  const encoderR2 = await Promise.all(
    models.map(async ({ decoder }, n) => r2(z, await encode(n, await generator.decode(decoder, latents)))),
  );
  const quality: SampleQuality[] = [];
  for (const { decoder } of models)
    quality.push(await context.sampleMetric.evaluate(await generator.samples(decoder, samples)));
  await generator.dispose();
  const name = `${isTrained ? '' : 'untrained '}${of.kind.toUpperCase()}`;
  const group = (label: string, kind: LatentsGroup['kind'], cosine: readonly PairReport[]): LatentsGroup => ({
    name: `${name}${label}`,
    kind,
    pairs: { cosine },
  });
  return {
    parameters: models[0]!.decoder.length,
    groups: [
      group(', another seed, latents rotated', isTrained ? 'trained' : 'untrained', groups.aligned),
      group(', another seed, same latents', 'control', groups.same),
      group(', latents rotated to fit shuffled pairs', 'control', groups.shuffled),
      group(', latents found by the encoder', 'control', groups.encoded),
      group(' and its copy with rotated latents', 'control', groups.copy),
    ],
    quality,
    encoderR2,
    pictures,
    training,
  };
}

/** Fraction of the variance of `truth` [N, D] that `found` explains. */
function r2(truth: Matrix, found: Matrix): number {
  const rest = Matrix.sub(truth, found).pow(2).sum();
  const centered = truth.clone().subRowVector(truth.mean('column'));
  return 1 - rest / centered.pow(2).sum();
}

/** Normalizing flows of the noise that the diffusion models start from. */
async function runNormalizing(
  trial: LatentsTrial,
  { flow: recipe, fitted }: Extract<LatentsRecipe['model'], { kind: 'normalizing' }>,
  context: TrialContext,
): Promise<Measured> {
  const { engine, train, heldOut } = context;
  const { isTrained, seeds } = trial.arm.recipe;
  const { size } = trial;
  const tables = await flowTables(train);
  const from = performance.now();
  const weights: Float32Array[] = [];
  for (const seed of seeds) {
    const options = { train, engine, recipe, seed, tables };
    weights.push(isTrained ? await trainFlow(options) : initialFlowWeights(train.shape, recipe, seed));
  }
  const training = isTrained ? (performance.now() - from) / 1000 : 0;
  const flow = compileFlow(engine, train.shape, recipe, tables);
  const { images } = await heldOut.read(evenlySpacedIndices(size.validationImages, heldOut.length));
  const test = float32(toFloat(images), [size.validationImages, ...train.shape]);
  const noise = sharedNoise(fitted + size.samples, train.shape);
  const samples: NdArray[] = [];
  const bitsPerDim: number[] = [];
  const linearR2: number[] = [];
  for (const params of weights) {
    const all = await flow.samples(params, noise);
    samples.push(all);
    bitsPerDim.push(await flow.bitsPerDim(params, test));
    linearR2.push(affineR2(noise, all, size.samples));
  }
  await flow.dispose();
  return {
    parameters: weights[0]!.length,
    ...(await compareFlows(trial, context, 'normalizing flow', samples)),
    bitsPerDim,
    linearR2,
    training,
  };
}

/**
 * Fraction of the variance of rows of `images` [N, H, W, C] explained by the affine map of `noise` [N, H, W, C] that is
 * fitted by least squares to all rows but the first `tested`, which it is measured on.
 */
export function affineR2(noise: NdArray, images: NdArray, tested: number): number {
  const [rows] = noise.shape;
  const matrix = ({ data }: NdArray) => Matrix.from1DArray(rows!, data.length / rows!, Array.from(data));
  const [x, y] = [matrix(noise), matrix(images)];
  x.addColumn(
    x.columns,
    Array.from({ length: rows! }, () => 1),
  );
  const part = (of: Matrix, first: number, end: number) => of.subMatrix(first, end - 1, 0, of.columns - 1);
  const [fitX, fitY] = [part(x, tested, rows!), part(y, tested, rows!)];
  const map = solve(fitX.transpose().mmul(fitX), fitX.transpose().mmul(fitY));
  return r2(part(y, 0, tested), part(x, 0, tested).mmul(map));
}

/** Rectified flows with the UNet of the diffusion models, sampled with Euler steps from the same noise. */
async function runRectified(trial: LatentsTrial, training: TrainingRecipe, context: TrialContext): Promise<Measured> {
  const { arm, size, stage } = trial;
  const { isTrained, seeds } = arm.recipe;
  const samples: NdArray[] = [];
  let [seconds, parameters] = [0, 0];
  for (const seed of seeds) {
    const phases = createPhases({ stage, arm: { ...arm, recipe: training }, size, seed }, context.train);
    const { setup } = phases[0]!;
    const sampler = createImageSampler(setup, size.samplerSteps, context.engine);
    let weights = initialState(setup)['ema']!;
    const from = performance.now();
    if (isTrained) {
      for await (const { step, state } of trialSteps(phases, context.engine)) {
        if (step === phases.at(-1)!.end) weights = (await state.read(['ema']))['ema']!;
      }
      seconds += (performance.now() - from) / 1000;
    }
    samples.push(await sampler.samples(weights, size.samples));
    await sampler.dispose();
    parameters = setup.layout.size;
  }
  return { parameters, ...(await compareFlows(trial, context, 'rectified flow', samples)), training: seconds };
}

/** Compares the samples of all seeds with each other, with the UNets, and with the Gaussian denoiser. */
async function compareFlows(
  { arm, size, references }: LatentsTrial,
  { train, sampleMetric }: TrialContext,
  label: string,
  samples: readonly NdArray[],
): Promise<Pick<Measured, 'groups' | 'quality' | 'pictures'>> {
  const { isTrained, seeds } = arm.recipe;
  const { kept } = size;
  const dimension = train.shape.reduce((product, side) => product * side, 1);
  const sets = samples.map((all) => bytesOf(all, kept, train));
  const ofArm = (name: string) =>
    references.filter((one) => one.arm === name).map((one) => ({ seed: one.seed, bytes: decodeBytes(one.samples) }));
  const [gaussian] = ofArm(gaussianArm);
  const noise = sharedNoise(kept, train.shape).data as Float32Array;
  const compare = (pairs: readonly (readonly [Uint8Array, Uint8Array])[]): LatentsGroup['pairs'] => {
    const without = (controls: readonly (Uint8Array | Float32Array)[]) =>
      pairs.map(([a, b]) =>
        comparePair(
          withoutProjections(a, controls, dimension),
          withoutProjections(b, controls, dimension),
          train.shape,
        ),
      );
    return {
      cosine: pairs.map(([a, b]) => comparePair(a, b, train.shape)),
      ...(gaussian && { residual: without([gaussian.bytes]), beyondNoise: without([gaussian.bytes, noise]) }),
    };
  };
  const name = `${isTrained ? '' : 'untrained '}${label}`;
  const kind = isTrained ? 'trained' : 'untrained';
  const withUnet = sets.flatMap((bytes, n) =>
    ofArm('unet')
      .filter(({ seed }) => seed !== seeds[n])
      .map((unet) => [unet.bytes, bytes] as const),
  );
  const toGaussian = gaussian ? sets.map((bytes) => [gaussian.bytes, bytes] as const) : [];
  const quality: SampleQuality[] = [];
  for (const all of samples) {
    const data = all.data.slice(0, size.samples * dimension);
    quality.push(await sampleMetric.evaluate({ ...all, data, shape: [size.samples, ...train.shape] }));
  }
  return {
    groups: [
      {
        name: `${name}, another seed`,
        kind,
        pairs: compare(pairsOf(sets.length).map(([a, b]) => [sets[a]!, sets[b]!])),
      },
      ...(withUnet.length > 0 ? [{ name: `UNet and ${name}`, kind, pairs: compare(withUnet) } as const] : []),
      ...(toGaussian.length > 0
        ? [
            {
              name: `Gaussian denoiser and ${name}`,
              kind: 'gaussian',
              pairs: { cosine: toGaussian.map(([a, b]) => comparePair(a, b, train.shape)) },
            } as const,
          ]
        : []),
    ],
    quality,
    pictures: sets.slice(0, isTrained ? 2 : 0).map((bytes, n) => ({
      name: `seed ${seeds[n]!}`,
      images: encodeBytes(bytes.subarray(0, COLUMNS * dimension)),
    })),
  };
}
