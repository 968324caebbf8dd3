/** The configuration of a run: one schema for the JSON file, the presets, the flags and the TypeScript API. */
import { samplers, schedules } from '@dm/core';
import { predictions, scheduleNames } from '@dm/curriculum';
import { datasetForms } from '@dm/data';
import { devices } from '@dm/jit';
import { z } from 'zod';
import { trainingMetrics } from '../eval/during-training.js';
import { extractorNames } from '../eval/extractors/extractor.js';
import { engineNames } from '../setup/engine.js';
import { modelTypes } from './model-types.js';
import { optimizerSchema } from './optimizer-schema.js';

const positive = z.number().positive();
const count = z.int().min(1);
const momentum = z.number().min(0).lt(1);
const beta = z.number().gt(0).lt(1);

function keysOf<K extends string>(table: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(table) as K[];
}

/** Options of a part that validates them itself (a model, a timestep schedule): plain JSON by name. */
const options = z.record(z.string(), z.json());

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

export const configSchema = z.strictObject({
  preset: z.string().describe('Preset that everything else is laid over.'),
  data: z
    .string()
    .min(1)
    .describe(`Data set: ${datasetForms.join(', ')}.`),
  imageSize: count
    .nullable()
    .describe('Side of the images, for image folders, zip archives and emoji; null elsewhere.'),
  imageChannels: z.union([z.literal(1), z.literal(3)]).describe('Gray or color, for image folders and zip archives.'),
  crop: z
    .strictObject({ size: count, at: z.enum(['center', 'random']) })
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
  model: z.strictObject({
    type: z
      .enum(keysOf(modelTypes))
      .describe(
        'Architecture: unet (UNet2DModel of diffusers), dit (of facebookresearch), dit-diffusers ' +
          '(DiTTransformer2DModel) or uvit.',
      ),
    config: options.describe(
      "The model's own fields; image size, channels and classes are taken from the data where left out.",
    ),
  }),
  diffusion: z.strictObject({
    schedule: z.enum(keysOf(schedules)).describe('Noise schedule; betas: those that the field betas lists.'),
    timesteps: z.int().min(2).max(100_000).describe('T, the number of diffusion steps.'),
    prediction: z
      .enum(predictions)
      .describe('What the network predicts; edm: F of Karras et al. 2022, whose input is scaled to unit variance.'),
    sigmaData: positive.exactOptional().describe('Standard deviation of the data, of the prediction edm alone: 0.5.'),
    betas: z
      .array(z.number().gt(0).max(1))
      .exactOptional()
      .describe('Of the schedule betas alone: one for each of the timesteps.'),
    betaStart: beta.exactOptional().describe("The schedule's first beta; not for cosine."),
    betaEnd: beta.exactOptional().describe("The schedule's last beta; not for cosine."),
    zeroTerminalSnr: z.boolean().exactOptional().describe('Rescale the betas so that the last timestep is pure noise.'),
  }),
  curriculum: z.strictObject({
    name: z.enum(scheduleNames).describe('Which timesteps to train on, and when.'),
    params: options.describe("The schedule's own fields; its defaults where left out."),
  }),
  weighting: z
    .discriminatedUnion('name', [
      z.strictObject({ name: z.literal('constant') }),
      z.strictObject({ name: z.literal('minSnr'), gamma: positive.exactOptional() }),
      z.strictObject({ name: z.literal('softMinSnr'), sigmaData: positive.exactOptional() }),
      z.strictObject({ name: z.literal('p2'), k: positive.exactOptional(), gamma: z.number().min(0).exactOptional() }),
      z.strictObject({ name: z.literal('edm'), sigmaData: positive.exactOptional() }),
      z.strictObject({ name: z.literal('truncatedSnr') }),
    ])
    .describe('Weight of the loss by noise level; constant is the plain MSE.'),
  uncertainty: z
    .strictObject({ lr: positive.describe("Learning rate of the head, which Adam trains: 0.01 is about EDM2's.") })
    .nullable()
    .describe(
      "EDM2's learned uncertainty u(sigma): a head, trained beside the model, that evens out what the noise levels " +
        'count in the loss; null: none.',
    ),
  optimizer: optimizerSchema,
  ema: average.describe('Average of the weights that samples are made with.'),
  emas: z
    .record(z.string().regex(/^(?!(ema|raw)$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/), average)
    .describe(
      'Further averages by name, for --weights <name> of dm sample and dm export; kept as ema-<name>.safetensors.',
    ),
  recompute: z
    .enum(['none', 'blocks'])
    .describe('Blocks computed a second time in the gradient, for less memory and more time; none keeps everything.'),
  batchSize: count.describe('Images a step.'),
  accumulate: count.describe(
    'Parts that a batch is computed in, one after the other, for less memory: it must divide batchSize. The sum of their ' +
      'gradients is that of the whole, up to rounding.',
  ),
  totalSteps: count.describe('Optimizer steps of the whole run: curriculum and momentum decay are spread over them.'),
  timeBudget: positive
    .nullable()
    .describe('Seconds after which this session saves and stops; nothing else changes. null: none.'),
  stepBudget: count.nullable().describe('Steps after which this session saves and stops, likewise.'),
  imageBudget: count.nullable().describe('Images after which this session saves and stops, likewise.'),
  skipLimit: count.describe(
    'Updates that are skipped in a row, because loss or gradient is no finite number, before the run ends.',
  ),
  seed: z.int().min(0).describe('Everything random is a function of it.'),
  initFrom: z
    .string()
    .min(1)
    .exactOptional()
    .describe(
      "Run or checkpoint whose EMA weights, or .safetensors file whose weights training starts from; the seed's weights where left out.",
    ),
  engine: z.enum(engineNames).describe('What computes.'),
  device: z.enum(devices).describe('What the engine onnx computes on.'),
  threads: count.nullable().describe('Threads of the engine onnx; null lets it choose.'),
  logEvery: count.describe('Steps a line of metrics.jsonl.'),
  tensorboard: z.boolean().describe("Write TensorBoard's event files into the run's folder, beside metrics.jsonl."),
  sampleEvery: z.int().min(0).describe('Steps between sample grids; 0 makes one at the end only.'),
  samples: count.describe('Images in a sample grid.'),
  sampler: z.strictObject({
    name: z.enum(keysOf(samplers)).describe('How samples are made.'),
    steps: count.describe('Steps from noise to image.'),
    guidance: z
      .number()
      .min(0)
      .describe('Classifier-free guidance: 1 is the model as it is; more needs a model trained with label dropout.'),
    guidanceInterval: z
      .tuple([z.number().min(0), z.number().min(0)])
      .nullable()
      .describe('Guide only where sigma / alpha lies between these two; null: everywhere.'),
  }),
  evalEvery: z.int().min(0).describe('Steps between evaluations of samples against the data; 0 makes none.'),
  evalSamples: z.int().min(2).describe('Samples of an evaluation, and images of the data beside them.'),
  evalMetrics: z.array(z.enum(trainingMetrics)).min(1).describe('Metrics; the first one chooses the best checkpoint.'),
  evalExtractor: z.enum(extractorNames).describe('What makes features of images for these metrics.'),
  evalWeights: z.string().nullable().describe("File of the extractor's weights, where it has none of its own."),
  probe: z
    .strictObject({ every: z.int().min(0), buckets: count, images: z.int().min(2) })
    .describe('Loss and gradient by noise bucket, on fixed images, every so many steps; 0 for never.'),
  checkpointEvery: z.int().min(0).describe('Steps between checkpoints; 0 writes one at the end only.'),
  checkpointMinutes: positive
    .nullable()
    .describe('Minutes after which a checkpoint is due besides, however few steps were done; null: none.'),
  checkpointOverlap: z
    .int()
    .min(0)
    .describe(
      'Steps that are computed beside a save before training waits for it: 1 loses one save interval at most to a kill, n ' +
        'n - 1 steps more; 0 computes none beside it.',
    ),
  keep: count.describe('Checkpoints to keep.'),
  out: z.string().min(1).describe('Folder of the run.'),
  recorded: z
    .record(z.string(), z.json())
    .optional()
    .describe('What a run found out (engine, versions, data), written by dm into its config.json; ignored when read.'),
});

/** A complete, valid configuration. */
export type Config = z.infer<typeof configSchema>;

/** Any part of a configuration, at any depth: what a file, flags or a caller give. */
export type PartialConfig = DeepPartial<Config>;

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined }
    : T;

/** The part of a configuration that decides the weights at a given step; a resume must not change it. */
export function trainingPart(config: Config): Omit<Config, (typeof freeOnResume)[number] | 'preset' | 'recorded'> {
  const part: Record<string, unknown> = { ...config };
  for (const key of [...freeOnResume, 'preset', 'recorded']) delete part[key];
  return part as ReturnType<typeof trainingPart>;
}

/**
 * What may differ between a run and its resumption. Engine and threads change the last bits, and that is said; recompute
 * and accumulate may change them too.
 */
export const freeOnResume = [
  'recompute',
  'accumulate',
  'data', // compared by its hash
  'skipBad', // so is what it leaves
  'timeBudget',
  'stepBudget',
  'imageBudget',
  'skipLimit',
  'engine',
  'device',
  'threads',
  'logEvery',
  'tensorboard',
  'sampleEvery',
  'samples',
  'sampler',
  'evalEvery',
  'evalSamples',
  'evalMetrics',
  'evalExtractor',
  'evalWeights',
  'probe',
  'checkpointEvery',
  'checkpointMinutes',
  'checkpointOverlap',
  'keep',
  'out',
] as const;
