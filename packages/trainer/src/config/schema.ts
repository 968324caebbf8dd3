/** The configuration of a run: one schema for the JSON file, the presets, the flags and the TypeScript API. */
import { samplers } from '@dm/core';
import { timestepScheduleNames } from '@dm/curriculum';
import { z } from 'zod';
import { modelTypes } from './model-types.js';
import {
  datasetForms,
  deviceNames,
  engineNames,
  resizeMethodNames,
  resizingExtractors,
  trainingMetrics,
} from './names.js';
import { optimizerSchema } from './optimizer-schema.js';

const positive = z.number().positive();
const count = z.int().min(1);
/** From 1 to `most`: upper limits keep a mistyped or hostile size from being allocated. */
const upTo = (most: number) => count.max(most);
const text = z.string().max(4096);
const momentum = z.number().min(0).lt(1);
const beta = z.number().gt(0).lt(1);

function keysOf<K extends string>(table: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(table) as K[];
}

/** Of every noise schedule. */
const zeroTerminalSnr = z
  .boolean()
  .exactOptional()
  .describe('Rescale the betas so that the last timestep is pure noise.');

const betaRange = {
  betaStart: beta.exactOptional().describe("The schedule's first beta."),
  betaEnd: beta.exactOptional().describe("The schedule's last beta."),
  zeroTerminalSnr,
};

const noiseSchedule = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('linear'), ...betaRange }),
  z.strictObject({ type: z.literal('scaled-linear'), ...betaRange }),
  z.strictObject({ type: z.literal('cosine'), zeroTerminalSnr }),
  z.strictObject({ type: z.literal('sigmoid'), ...betaRange }),
  z.strictObject({
    type: z.literal('betas'),
    betas: z.array(z.number().gt(0).max(1)).max(100_000).describe('One for each of the timesteps.'),
    zeroTerminalSnr,
  }),
]);

const prediction = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('epsilon') }),
  z.strictObject({ type: z.literal('x0') }),
  z.strictObject({ type: z.literal('v') }),
  z.strictObject({
    type: z.literal('edm'),
    sigmaData: positive.exactOptional().describe('Standard deviation of the data: 0.5.'),
  }),
]);

const average = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('power'),
    decay: momentum.describe('Share of the old average that stays in one step; warmed up as 1 - (1 + step)^-power.'),
    power: positive.describe('Exponent of the warm-up.'),
  }),
  z.strictObject({ type: z.literal('fixed'), decay: momentum.describe('Share that stays in one step.') }),
  z.strictObject({
    type: z.literal('halfLife'),
    images: positive.describe('Images after which half of the old average is left.'),
    rampUp: positive
      .nullable()
      .exactOptional()
      .describe('Largest half-life as a share of the images seen (0.05); null: no warm-up.'),
  }),
  z.strictObject({
    type: z.literal('karras'),
    relativeStd: z.number().gt(0).max(0.28).describe('Width of the profile as a share of the run: 0.05, 0.1.'),
  }),
  z.strictObject({ type: z.literal('scheduleFree') }).describe('The average that scheduleFreeAdamW keeps.'),
]);

const extractorWeights = text.nullable().describe('File of its weights, where it has none of its own; else null.');

const extractor = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.enum(resizingExtractors),
    weights: extractorWeights,
    resize: z
      .enum(resizeMethodNames)
      .nullable()
      .default(null)
      .describe("How images are brought to the network's size; null: the extractor's default."),
  }),
  z.strictObject({ type: z.enum(['classifier', 'pixels']), weights: extractorWeights }),
]);

/**
 * Every part is `{ type, ...options }`, with the options of its type inline; what belongs together is a group. The types of
 * a part have their options in common where a layer that names another type keeps them: see `resolveConfig`.
 */
export const configSchema = z.strictObject({
  preset: text.describe('Preset that everything else is laid over.'),
  data: text.min(1).describe(`Data set: ${datasetForms.join(', ')}.`),
  imageSize: upTo(16_384)
    .nullable()
    .describe('Side of the images, for image folders, zip archives and emoji; null elsewhere.'),
  imageChannels: z.union([z.literal(1), z.literal(3)]).describe('Gray or color, for image folders and zip archives.'),
  crop: z
    .strictObject({ size: upTo(16_384), at: z.enum(['center', 'random']) })
    .nullable()
    .describe('Square cut out of every image, in the middle or, in training, at random; null takes all of it.'),
  skipBad: z
    .boolean()
    .describe(
      'Leave images out that cannot be decoded, counted and named, for folders and archives; false stops there.',
    ),
  flip: z.boolean().describe('Mirror half of the images, by chance; not for digits and letters.'),
  conditional: z
    .boolean()
    .describe('Give the model the classes of the data, where it has any: samples are then made class by class.'),
  labelDropout: momentum
    .nullable()
    .describe(
      'Share of labels that training replaces by a null class, so that samples can be guided; null leaves it to the model ' +
        '(class_dropout_prob of dit).',
    ),
  model: z
    .object({
      type: z
        .enum(keysOf(modelTypes))
        .describe(
          'Architecture: unet (UNet2DModel of diffusers), dit (of facebookresearch), dit-diffusers ' +
            '(DiTTransformer2DModel) or uvit.',
        ),
    })
    .catchall(z.json())
    .describe("The network, with its class's own fields; image size, channels and classes follow the data."),
  diffusion: z.strictObject({
    schedule: noiseSchedule.describe('Noise schedule; betas: those that its field betas lists.'),
    timesteps: z.int().min(2).max(100_000).describe('T, the number of diffusion steps.'),
    prediction: prediction.describe(
      'What the network predicts; edm: F of Karras et al. 2022, whose input is scaled to unit variance.',
    ),
  }),
  curriculum: z
    .object({ type: z.enum(timestepScheduleNames).describe('Which timesteps to train on, and when.') })
    .catchall(z.json())
    .describe('Timestep schedule, with its own options; its defaults where left out.'),
  lossWeighting: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('constant') }),
      z.strictObject({ type: z.literal('minSnr'), gamma: positive.exactOptional() }),
      z.strictObject({ type: z.literal('softMinSnr'), sigmaData: positive.exactOptional() }),
      z.strictObject({ type: z.literal('p2'), k: positive.exactOptional(), gamma: z.number().min(0).exactOptional() }),
      z.strictObject({ type: z.literal('edm'), sigmaData: positive.exactOptional() }),
      z.strictObject({ type: z.literal('truncatedSnr') }),
    ])
    .describe('Weight of the loss by noise level; constant is the plain MSE.'),
  uncertainty: z
    .strictObject({ lr: positive.describe("Learning rate of the head, which Adam trains: 0.01 is about EDM2's.") })
    .nullable()
    .describe(
      "EDM2's learned uncertainty u(sigma): a head, trained beside the model, that evens out what the noise levels " +
        'count in the loss; null: none.',
    ),
  optimizer: optimizerSchema.describe('What turns gradients into steps: an optimizer of @dm/optim, by its name there.'),
  ema: average.describe('Average of the weights that samples are made with.'),
  extraEmas: z
    .record(z.string().regex(/^(?!(ema|raw)$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/), average)
    .describe(
      'Further averages by name, for --weights <name> of dm sample and dm export; kept as ema-<name>.safetensors.',
    ),
  activationCheckpointing: z
    .boolean()
    .describe('Compute blocks a second time in the gradient, for less memory and more time; false keeps everything.'),
  batchSize: upTo(1_048_576).describe('Images per step.'),
  gradientAccumulation: upTo(1_048_576).describe(
    'Micro-batches that a batch is computed in, one after the other, for less memory: it must divide batchSize. The sum ' +
      'of their gradients is that of the whole, up to rounding.',
  ),
  totalSteps: count.describe('Optimizer steps of the whole run: curriculum and momentum decay are spread over them.'),
  budgets: z
    .strictObject({
      seconds: positive
        .nullable()
        .describe('Seconds after which this session saves and stops; nothing else changes. null: none.'),
      steps: count.nullable().describe('Steps after which this session saves and stops, likewise.'),
      images: count.nullable().describe('Images after which this session saves and stops, likewise.'),
    })
    .describe('What one session may use.'),
  maxSkippedSteps: count.describe(
    'Updates that are skipped in a row, because loss or gradient is not a finite number, before the run ends.',
  ),
  seed: z.int().min(0).describe('Everything random is a function of it.'),
  initFrom: text
    .min(1)
    .exactOptional()
    .describe(
      "Run or checkpoint whose EMA weights, or .safetensors file whose weights training starts from; the seed's weights where left out.",
    ),
  engine: z.enum(engineNames).describe('Compute engine.'),
  device: z.enum(deviceNames).describe('Device of the engine onnx.'),
  threads: upTo(4096).nullable().describe('Threads of the engine onnx; null lets it choose.'),
  logEvery: count.describe('Steps per line of metrics.jsonl.'),
  tensorboard: z.boolean().describe("Write TensorBoard's event files into the run's folder, beside metrics.jsonl."),
  sampleEvery: z.int().min(0).describe('Steps between sample grids; 0 makes one at the end only.'),
  samples: upTo(65_536).describe('Images in a sample grid.'),
  sampler: z.strictObject({
    type: z.enum(keysOf(samplers)).describe('Sampler.'),
    steps: upTo(100_000).describe('Steps from noise to image.'),
    guidance: z
      .number()
      .min(0)
      .describe('Classifier-free guidance: 1 is the model as it is; more needs a model trained with label dropout.'),
    guidanceInterval: z
      .tuple([z.number().min(0), z.number().min(0)])
      .nullable()
      .describe('Guide only where sigma / alpha lies between these two; null: everywhere.'),
  }),
  evaluation: z
    .strictObject({
      every: z.int().min(0).describe('Steps between evaluations of samples against the data; 0 makes none.'),
      samples: z.int().min(2).max(10_000_000).describe('Samples of an evaluation, and images of the data beside them.'),
      metrics: z
        .array(z.enum(trainingMetrics))
        .min(1)
        .max(64)
        .describe('Metrics; the first one chooses the best checkpoint.'),
      extractor: extractor.describe('Feature extractor of these metrics.'),
    })
    .describe('Metrics of samples against the data, during training.'),
  probe: z
    .strictObject({ every: z.int().min(0), buckets: upTo(1000), images: z.int().min(2).max(1_000_000) })
    .describe('Loss and gradient by noise bucket, on fixed images, every so many steps; 0 for never.'),
  checkpoints: z
    .strictObject({
      every: z.int().min(0).describe('Steps between checkpoints; 0 writes one at the end only.'),
      minutes: positive
        .nullable()
        .describe('Minutes after which a checkpoint is due besides, however few steps were done; null: none.'),
      overlap: z
        .int()
        .min(0)
        .describe(
          'Steps that are computed beside a save before training waits for it: 1 loses one save interval at most to a ' +
            'kill, n n - 1 steps more; 0 computes none beside it.',
        ),
      keepLast: count.describe(
        'Newest checkpoints to keep, besides the best by metric and the one with the lowest training loss.',
      ),
    })
    .describe('When the state is saved, and how much of it is kept.'),
  out: text.min(1).describe('Folder of the run.'),
  recorded: z
    .record(z.string(), z.json())
    .optional()
    .describe('What a run found out (engine, versions, data), written by dm into its config.json; ignored when read.'),
});

/** A complete, valid configuration. */
export type Config = z.infer<typeof configSchema>;

/** Any part of a configuration, at any depth: what a file, flags or a caller give. */
export type PartialConfig = DeepPartial<Config>;

/** A part may also be its type alone: `curriculum: 'clts'`. */
type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined } | TypeOf<T>
    : T;

type TypeOf<T> = T extends { readonly type: infer Name extends string } ? Name : never;

/** The part of a configuration that decides the weights at a given step; a resume must not change it. */
export function trainingPart(config: Config): Omit<Config, (typeof freeOnResume)[number] | 'preset' | 'recorded'> {
  const part: Record<string, unknown> = { ...config };
  for (const key of [...freeOnResume, 'preset', 'recorded']) delete part[key];
  return part as ReturnType<typeof trainingPart>;
}

/**
 * What may differ between a run and its resumption. Engine and threads change the last bits, and that is said;
 * activationCheckpointing and gradientAccumulation may change them too.
 */
export const freeOnResume = [
  'activationCheckpointing',
  'gradientAccumulation',
  'data', // compared by its hash
  'skipBad', // so is what it leaves
  'budgets',
  'maxSkippedSteps',
  'engine',
  'device',
  'threads',
  'logEvery',
  'tensorboard',
  'sampleEvery',
  'samples',
  'sampler',
  'evaluation',
  'probe',
  'checkpoints',
  'out',
] as const;
