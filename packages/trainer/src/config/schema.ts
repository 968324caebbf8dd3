/**
 * The configuration of a run: one schema for configuration files, presets, flags and the TypeScript API. Descriptions
 * are in schema-descriptions.ts, which training does not load; describe-config.ts adds them. `clone()` gives a field a
 * schema that no other field has, since descriptions belong to schemas.
 */
import * as z from 'zod';
import { curriculumSchema } from './curriculum-schema.js';
import { modelSchema } from './model-schema.js';
import {
  cardPattern,
  type DeviceName,
  deviceNames,
  engineNames,
  imageResizeNames,
  precisionNames,
  resizeMethodNames,
  resizingExtractors,
  trainingMetrics,
} from './names.js';
import { optimizerSchema } from './optimizer-schema.js';
import { samplerSchema } from './sampler-schema.js';

const positive = z.number().positive();
const count = z.int().min(1);
/** An integer from 1 to `most`. The limit keeps a mistyped or hostile size from being allocated. */
const upTo = (most: number) => count.max(most);
const text = z.string().max(4096);
const momentum = z.number().min(0).lt(1);
const beta = z.number().gt(0).lt(1);

/** An option of every noise schedule. */
const zeroTerminalSnr = z.boolean().exactOptional();

const betaRange = {
  betaStart: beta.exactOptional(),
  betaEnd: beta.exactOptional(),
  zeroTerminalSnr,
};

const noiseSchedule = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('linear'), ...betaRange }),
  z.strictObject({ type: z.literal('scaled-linear'), ...betaRange }),
  z.strictObject({ type: z.literal('cosine'), zeroTerminalSnr }),
  z.strictObject({ type: z.literal('sigmoid'), ...betaRange }),
  z.strictObject({
    type: z.literal('betas'),
    betas: z.array(z.number().gt(0).max(1)).max(100_000),
    zeroTerminalSnr,
  }),
  z.strictObject({
    type: z.literal('flow'),
    shift: positive.exactOptional(),
    timeScale: positive.exactOptional(),
  }),
  z.strictObject({
    type: z.literal('edm'),
    sigmaMin: positive.exactOptional(),
    sigmaMax: positive.exactOptional(),
  }),
]);

const sigmaData = positive.exactOptional();

const prediction = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('epsilon') }),
  z.strictObject({ type: z.literal('x0') }),
  z.strictObject({ type: z.literal('v') }),
  z.strictObject({ type: z.literal('flow') }),
  z.strictObject({ type: z.literal('edm'), sigmaData }),
]);

const maxWeight = positive.exactOptional();

const lossSpace = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('epsilon'), maxWeight }),
  z.strictObject({ type: z.literal('x0'), maxWeight }),
  z.strictObject({ type: z.literal('v'), maxWeight }),
  z.strictObject({ type: z.literal('flow'), maxWeight }),
  z.strictObject({ type: z.literal('edm'), maxWeight, sigmaData }),
]);

const variance = z.strictObject({
  type: z.literal('learnedRange'),
  lambda: positive.exactOptional(),
});

const card = z
  .string()
  .regex(cardPattern, `must be one of ${deviceNames.join(', ')}, or a card of cuda by its index, such as cuda:1`);
// The pattern has this type, which a schema of strings does not express.
const device = z.union([z.enum(deviceNames), card as z.ZodType as z.ZodType<DeviceName>]);

/** Options of diffusers' EMAModel. */
const emaModel = {
  minDecay: momentum.exactOptional(),
  updateAfterStep: z.int().min(0).exactOptional(),
};

const average = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('power'),
    decay: momentum.clone(),
    power: positive.clone(),
    invGamma: positive.exactOptional(),
    ...emaModel,
  }),
  z.strictObject({
    type: z.literal('rational'),
    decay: momentum.clone(),
    ...emaModel,
  }),
  z.strictObject({ type: z.literal('fixed'), decay: momentum.clone() }),
  z.strictObject({
    type: z.literal('halfLife'),
    images: positive.clone(),
    rampUp: positive.nullable().exactOptional(),
    ramp: z.enum(['edm', 'edm2']).exactOptional(),
  }),
  z.strictObject({
    type: z.literal('karras'),
    relativeStd: z.number().gt(0).max(0.28),
  }),
  z.strictObject({ type: z.literal('scheduleFree') }),
]);

const extractorWeights = text.nullable();

const extractor = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.enum(resizingExtractors),
    weights: extractorWeights,
    resize: z.enum(resizeMethodNames).nullable().default(null),
  }),
  z.strictObject({ type: z.enum(['classifier', 'pixels']), weights: extractorWeights }),
]);

/**
 * Every component is `{ type, ...options }`, with the options of its type inline; related fields form a group. Options
 * that all types of a component share survive when a layer selects another type: see `resolveConfig`.
 */
export const configSchema = z.strictObject({
  preset: text.clone(),
  data: text.min(1),
  imageSize: upTo(16_384).nullable(),
  imageChannels: z.union([z.literal(1), z.literal(3)]),
  imageResize: z.enum(imageResizeNames),
  crop: z.strictObject({ size: upTo(16_384), at: z.enum(['center', 'random']) }).nullable(),
  skipBad: z.boolean(),
  holdOut: z.number().gt(0).lt(1).nullable(),
  latents: z
    .strictObject({
      layout: z.enum(['NCHW', 'NHWC']).exactOptional(),
      mean: z.array(z.number()).min(1).max(65_536).exactOptional(),
      scale: z.union([positive, z.array(positive).min(1).max(65_536)]).exactOptional(),
      flip: z.boolean().exactOptional(),
    })
    .nullable(),
  flip: z.boolean(),
  conditional: z.boolean(),
  labelDropout: momentum.nullable(),
  model: modelSchema,
  diffusion: z.strictObject({
    schedule: noiseSchedule,
    timesteps: z.int().min(2).max(100_000),
    prediction: prediction,
    loss: lossSpace.nullable(),
    variance: variance.nullable(),
  }),
  curriculum: curriculumSchema,
  timestepDraws: z.enum(['independent', 'stratified']),
  noiseCandidates: upTo(64),
  lossWeighting: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('constant') }),
    z.strictObject({
      type: z.literal('minSnr'),
      gamma: positive.exactOptional(),
      zeroSnrWeight: z.number().min(0).exactOptional(),
    }),
    z.strictObject({ type: z.literal('softMinSnr'), sigmaData: positive.exactOptional() }),
    z.strictObject({ type: z.literal('p2'), k: positive.exactOptional(), gamma: z.number().min(0).exactOptional() }),
    z.strictObject({ type: z.literal('edm'), sigmaData: positive.exactOptional() }),
    z.strictObject({ type: z.literal('truncatedSnr') }),
  ]),
  normalizeLossWeights: z.boolean().nullable(),
  uncertainty: z
    .strictObject({
      lr: positive.clone(),
    })
    .nullable(),
  optimizer: optimizerSchema,
  ema: average.clone(),
  extraEmas: z.record(z.string().regex(/^(?!(ema|raw)$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/), average),
  emaSnapshots: z
    .strictObject({
      every: count.clone(),
      relativeStds: z.array(z.number().min(0.01).max(0.28)).min(1).max(8).exactOptional(),
      dtype: z.enum(['float32', 'float16']).exactOptional(),
    })
    .nullable(),
  activationCheckpointing: z.boolean(),
  batchSize: upTo(1_048_576),
  gradientAccumulation: upTo(1_048_576),
  totalSteps: count.clone(),
  budgets: z.strictObject({
    seconds: positive.nullable(),
    steps: count.nullable(),
    images: count.nullable(),
  }),
  maxSkippedSteps: count.clone(),
  seed: z.int().min(0),
  initFrom: text.min(1).exactOptional(),
  engine: z.enum(engineNames),
  device,
  threads: upTo(4096).nullable(),
  graphCapture: z.boolean(),
  tf32: z.boolean(),
  precision: z.enum(precisionNames),
  gradScaler: z
    .strictObject({
      initialScale: z
        .number()
        .min(2 ** -126)
        .max(2 ** 127)
        .exactOptional(),
      growthFactor: z.number().gt(1).exactOptional(),
      backoffFactor: beta.clone().exactOptional(),
      growthInterval: count.clone().exactOptional(),
    })
    .nullable(),
  logEvery: count.clone(),
  tensorboard: z.boolean(),
  sampleEvery: z.int().min(0),
  samples: upTo(65_536),
  sampler: samplerSchema,
  evaluation: z.strictObject({
    every: z.int().min(0),
    samples: z.int().min(2).max(10_000_000),
    metrics: z.array(z.enum(trainingMetrics)).min(1).max(64),
    extractor: extractor,
  }),
  probe: z.strictObject({ every: z.int().min(0), buckets: upTo(1000), images: z.int().min(2).max(1_000_000) }),
  validation: z.strictObject({
    every: z.int().min(0),
    images: upTo(1_000_000),
    draws: upTo(1000),
    bounds: z.boolean(),
  }),
  checkpoints: z.strictObject({
    every: z.int().min(0),
    minutes: positive.nullable(),
    overlap: z.int().min(0),
    keepLast: count.clone(),
  }),
  out: text.min(1),
  recorded: z.record(z.string(), z.json()).optional(),
});

/** A complete, valid configuration. */
export type Config = z.infer<typeof configSchema>;

/** A configuration in which any field, at any depth, may be missing. */
export type PartialConfig = DeepPartial<Config>;

/** A component may also be given as its type alone: `curriculum: 'clts'`. */
type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined } | TypeOf<T>
    : T;

type TypeOf<T> = T extends { readonly type: infer Name extends string } ? Name : never;

/** The fields that determine the weights at a given step; resuming must not change them. */
export function trainingPart(config: Config): Omit<Config, (typeof freeOnResume)[number] | 'preset' | 'recorded'> {
  const part: Record<string, unknown> = { ...config };
  for (const key of [...freeOnResume, 'preset', 'recorded']) delete part[key];
  return part as ReturnType<typeof trainingPart>;
}

/**
 * Fields that may differ between a run and its resumption. A different engine or thread count changes the last bits,
 * which is reported; activationCheckpointing and gradientAccumulation may change them too.
 */
export const freeOnResume = [
  'activationCheckpointing',
  'gradientAccumulation',
  'data', // the hash of its content is compared instead
  'skipBad', // the hash covers only the images that are left
  'budgets',
  'maxSkippedSteps',
  'engine',
  'device',
  'threads',
  'graphCapture',
  'tf32',
  'logEvery',
  'tensorboard',
  'sampleEvery',
  'samples',
  'sampler',
  'evaluation',
  'probe',
  'validation',
  'checkpoints',
  'out',
] as const;
