/** The configuration of a run: one schema for configuration files, presets, flags and the TypeScript API. */
import * as z from 'zod';
import { curriculumSchema } from './curriculum-schema.js';
import { modelSchema } from './model-schema.js';
import {
  datasetForms,
  deviceNames,
  engineNames,
  imageResizeNames,
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
const zeroTerminalSnr = z
  .boolean()
  .exactOptional()
  .describe('Rescale the betas to zero terminal SNR, so that the last timestep is pure noise.');

const betaRange = {
  betaStart: beta.exactOptional().describe('Beta at the first timestep.'),
  betaEnd: beta.exactOptional().describe('Beta at the last timestep.'),
  zeroTerminalSnr,
};

const noiseSchedule = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('linear'), ...betaRange }),
  z.strictObject({ type: z.literal('scaled-linear'), ...betaRange }),
  z.strictObject({ type: z.literal('cosine'), zeroTerminalSnr }),
  z.strictObject({ type: z.literal('sigmoid'), ...betaRange }),
  z.strictObject({
    type: z.literal('betas'),
    betas: z.array(z.number().gt(0).max(1)).max(100_000).describe('One beta per timestep.'),
    zeroTerminalSnr,
  }),
  z
    .strictObject({
      type: z.literal('flow'),
      shift: positive
        .exactOptional()
        .describe(
          'Shift of the times, in training and by default in sampling; more than 1 for more noise (default: 1).',
        ),
      timeScale: positive
        .exactOptional()
        .describe('Factor of the time s in [0, 1] that the network receives (default: 1000).'),
    })
    .describe('Rectified flow in continuous time: x = (1 - s) x_0 + s epsilon.'),
  z
    .strictObject({
      type: z.literal('edm'),
      sigmaMin: positive.exactOptional().describe('Smallest sigma of sampling and of curricula (default: 0.002).'),
      sigmaMax: positive.exactOptional().describe('Largest sigma of sampling and of curricula (default: 80).'),
    })
    .describe('EDM in continuous time: x = x_0 + sigma epsilon; the network receives ln(sigma) / 4.'),
]);

const sigmaData = positive.exactOptional().describe('Standard deviation of the data (default: 0.5).');

const prediction = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('epsilon') }),
  z.strictObject({ type: z.literal('x0') }),
  z.strictObject({ type: z.literal('v') }),
  z.strictObject({ type: z.literal('flow') }).describe('The velocity epsilon - x_0 of rectified flow.'),
  z.strictObject({ type: z.literal('edm'), sigmaData }),
]);

const maxWeight = positive
  .exactOptional()
  .describe('Upper bound of the factor between the two squared errors (default: none); JiT uses 400.');

const lossSpace = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('epsilon'), maxWeight }),
  z.strictObject({ type: z.literal('x0'), maxWeight }),
  z.strictObject({ type: z.literal('v'), maxWeight }),
  z.strictObject({ type: z.literal('flow'), maxWeight }),
  z.strictObject({ type: z.literal('edm'), maxWeight, sigmaData }),
]);

const variance = z.strictObject({
  type: z.literal('learnedRange'),
  lambda: positive.exactOptional().describe('Weight of the variational bound L_vlb in the loss (default: 0.001).'),
});

/** Options of diffusers' EMAModel. */
const emaModel = {
  minDecay: momentum.exactOptional().describe('Smallest decay once the average has begun (default: 0).'),
  updateAfterStep: z
    .int()
    .min(0)
    .exactOptional()
    .describe('Steps for which the average stays equal to the weights (default: 0).'),
};

const average = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('power'),
    decay: momentum.describe('EMA decay per step, warmed up as 1 - (1 + step)^-power.'),
    power: positive.describe('Exponent of the warm-up.'),
    invGamma: positive.exactOptional().describe('Steps that the warm-up is stretched over (default: 1).'),
    ...emaModel,
  }),
  z
    .strictObject({
      type: z.literal('rational'),
      decay: momentum.describe('EMA decay per step, warmed up as (1 + step) / (10 + step).'),
      ...emaModel,
    })
    .describe("diffusers' EMAModel without use_ema_warmup."),
  z.strictObject({ type: z.literal('fixed'), decay: momentum.describe('EMA decay per step.') }),
  z.strictObject({
    type: z.literal('halfLife'),
    images: positive.describe('Half-life of the average, in images.'),
    rampUp: positive
      .nullable()
      .exactOptional()
      .describe(
        'Largest half-life as a fraction of the images seen (default: 0.05, or 0.09 with ramp edm2); null for no limit.',
      ),
    ramp: z
      .enum(['edm', 'edm2'])
      .exactOptional()
      .describe("Images seen: before the step, as in EDM's code (edm, default), or with it, as in EDM2's (edm2)."),
  }),
  z.strictObject({
    type: z.literal('karras'),
    relativeStd: z
      .number()
      .gt(0)
      .max(0.28)
      .describe('Width of the EMA profile relative to the length of the run, such as 0.05 or 0.1.'),
  }),
  z.strictObject({ type: z.literal('scheduleFree') }).describe('The average that scheduleFreeAdamW maintains.'),
]);

const extractorWeights = text.nullable().describe('File with its weights; null if they are bundled.');

const extractor = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.enum(resizingExtractors),
    weights: extractorWeights,
    resize: z
      .enum(resizeMethodNames)
      .nullable()
      .default(null)
      .describe("Resizing to the network's input size; null for the extractor's default."),
  }),
  z.strictObject({ type: z.enum(['classifier', 'pixels']), weights: extractorWeights }),
]);

/**
 * Every component is `{ type, ...options }`, with the options of its type inline; related fields form a group. Options
 * that all types of a component share survive when a layer selects another type: see `resolveConfig`.
 */
export const configSchema = z.strictObject({
  preset: text.describe('Preset that supplies all values not given.'),
  data: text.min(1).describe(`Data set: ${datasetForms.join(', ')}.`),
  imageSize: upTo(16_384)
    .nullable()
    .describe('Image size in pixels, for image folders, zip archives and emoji; null for other data.'),
  imageChannels: z
    .union([z.literal(1), z.literal(3)])
    .describe('1 for grayscale or 3 for RGB, for image folders and zip archives.'),
  imageResize: z
    .enum(imageResizeNames)
    .describe(
      'How images in folders and zip archives are resized: as by Pillow, or, as in earlier versions, by libvips.',
    ),
  crop: z
    .strictObject({ size: upTo(16_384), at: z.enum(['center', 'random']) })
    .nullable()
    .describe('Square crop of every image, at the center or (in training) at a random position; null for no crop.'),
  skipBad: z
    .boolean()
    .describe(
      'Skip images in folders and archives that cannot be decoded, and report them; false raises an error instead.',
    ),
  holdOut: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .describe(
      'Fraction of the images to hold out from training, for validation, chosen by their content; null for none.',
    ),
  latents: z
    .strictObject({
      layout: z
        .enum(['NCHW', 'NHWC'])
        .exactOptional()
        .describe('Order of the axes in .npz and .npy files, and of samples (default: NCHW).'),
      mean: z
        .array(z.number())
        .min(1)
        .max(65_536)
        .exactOptional()
        .describe("Subtracted from each channel (default: the data's mean, or 0 if scale is given)."),
      scale: z
        .union([positive, z.array(positive).min(1).max(65_536)])
        .exactOptional()
        .describe(
          'Factor after that, one number or one per channel (default: 1 / standard deviation of the data, or sigmaData / it ' +
            'for prediction edm).',
        ),
      flip: z
        .boolean()
        .exactOptional()
        .describe('Random horizontal flips of latents (default: false); flip is for images.'),
    })
    .nullable()
    .describe(
      'Scaling of data of floats, such as latents of an autoencoder; recorded in the run. null for the defaults, and for images.',
    ),
  flip: z.boolean().describe('Random horizontal flips (probability 0.5); not for digits and letters.'),
  conditional: z
    .boolean()
    .describe('Train a class-conditional model if the data has classes; samples then cycle through the classes.'),
  labelDropout: momentum
    .nullable()
    .describe(
      'Fraction of labels that training replaces by the null class, for classifier-free guidance; null uses the ' +
        "model's own default (class_dropout_prob of dit).",
    ),
  model: modelSchema.describe(
    'Model: unet (UNet2DModel of diffusers), dit (facebookresearch/DiT), dit-diffusers (DiTTransformer2DModel of ' +
      'diffusers), uvit, song-unet (SongUNet of NVlabs/edm) or edm2-unet (NVlabs/edm2), and its options.',
  ),
  diffusion: z.strictObject({
    schedule: noiseSchedule.describe(
      'Noise schedule; the type betas takes an explicit list; flow and edm are in continuous time.',
    ),
    timesteps: z
      .int()
      .min(2)
      .max(100_000)
      .describe('T, the number of diffusion steps; in continuous time, of cells for curricula and logs.'),
    prediction: prediction.describe(
      'Prediction type; edm is F of Karras et al. 2022, with the input scaled to unit variance.',
    ),
    loss: lossSpace
      .nullable()
      .describe(
        'Quantity whose squared error is the loss, such as v for a network that predicts x0; null for the prediction.',
      ),
    variance: variance
      .nullable()
      .describe(
        'learnedRange trains a variance of 2C output channels with the hybrid loss of Nichol & Dhariwal 2021; null for none.',
      ),
  }),
  curriculum: curriculumSchema.describe('Timestep schedule, which chooses the timesteps to train on, and its options.'),
  timestepDraws: z
    .enum(['independent', 'stratified'])
    .describe('Draws of timesteps: independent, or stratified, one in each of batchSize equal parts.'),
  noiseCandidates: upTo(64).describe('Noises drawn per image, of which the nearest to it is used; 1 for plain noise.'),
  lossWeighting: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('constant') }),
      z.strictObject({
        type: z.literal('minSnr'),
        gamma: positive.exactOptional(),
        zeroSnrWeight: z
          .number()
          .min(0)
          .exactOptional()
          .describe("Weight at SNR 0 instead of the closed form (0 for x0 and v); 1 as in the authors' code."),
      }),
      z.strictObject({ type: z.literal('softMinSnr'), sigmaData: positive.exactOptional() }),
      z.strictObject({ type: z.literal('p2'), k: positive.exactOptional(), gamma: z.number().min(0).exactOptional() }),
      z.strictObject({ type: z.literal('edm'), sigmaData: positive.exactOptional() }),
      z.strictObject({ type: z.literal('truncatedSnr') }),
    ])
    .describe('Loss weight per noise level; constant is the plain MSE.'),
  normalizeLossWeights: z
    .boolean()
    .nullable()
    .describe('Scale the loss weights to mean 1 over the timesteps drawn; null for discrete schedules only.'),
  uncertainty: z
    .strictObject({
      lr: positive.describe("Learning rate of the head, which is trained with Adam; EDM2's is about 0.01."),
    })
    .nullable()
    .describe(
      "EDM2's learned uncertainty u(sigma), which equalizes the contribution of " +
        'the noise levels to the loss; null to disable.',
    ),
  optimizer: optimizerSchema.describe('Optimizer of @dm/optim and its options.'),
  ema: average.describe('Average of the weights (EMA) that sampling uses.'),
  extraEmas: z
    .record(z.string().regex(/^(?!(ema|raw)$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/), average)
    .describe(
      'Additional named averages, for --weights <name> of dm sample and dm export; saved as ema-<name>.safetensors.',
    ),
  emaSnapshots: z
    .strictObject({
      every: count.describe('Steps between snapshots.'),
      relativeStds: z
        .array(z.number().min(0.01).max(0.28))
        .min(1)
        .max(8)
        .exactOptional()
        .describe('Widths of the averages (default: 0.05 and 0.1).'),
      dtype: z.enum(['float32', 'float16']).exactOptional().describe('Type in the files (default: float32).'),
    })
    .nullable()
    .describe('Snapshots of averages of type karras, for dm ema reconstruct; null for none.'),
  activationCheckpointing: z
    .boolean()
    .describe('Recompute the activations of blocks in the backward pass: less memory, more time.'),
  batchSize: upTo(1_048_576).describe('Images per step.'),
  gradientAccumulation: upTo(1_048_576).describe(
    'Micro-batches per step, to save memory; must divide batchSize. The accumulated gradient equals the full-' +
      'batch gradient, up to rounding.',
  ),
  totalSteps: count.describe('Optimizer steps of the whole run, which curriculum and momentum decay are scaled to.'),
  budgets: z
    .strictObject({
      seconds: positive
        .nullable()
        .describe(
          'Seconds after which this session saves and stops; does not affect the schedules. null for no limit.',
        ),
      steps: count.nullable().describe('Steps after which this session saves and stops; null for no limit.'),
      images: count.nullable().describe('Images after which this session saves and stops; null for no limit.'),
    })
    .describe('Limits of one session.'),
  maxSkippedSteps: count.describe(
    'Consecutive updates skipped because of a non-finite loss or gradient before the run ends with an error.',
  ),
  seed: z.int().min(0).describe('Random seed.'),
  initFrom: text
    .min(1)
    .exactOptional()
    .describe(
      'Initial weights: a run or checkpoint (its EMA weights) or a .safetensors file. Default: random initialization.',
    ),
  engine: z.enum(engineNames).describe('Compute engine.'),
  device: z.enum(deviceNames).describe('Device of the engine onnx.'),
  threads: upTo(4096).nullable().describe('Number of threads of the engine onnx; null for automatic.'),
  logEvery: count.describe('Steps per line of metrics.jsonl.'),
  tensorboard: z.boolean().describe('Also write TensorBoard event files to the run folder.'),
  sampleEvery: z.int().min(0).describe('Steps between sample grids; 0 for one at the end only.'),
  samples: upTo(65_536).describe('Images per sample grid.'),
  sampler: samplerSchema.describe('How samples are generated: a sampler of @dm/core, its noise levels, and clipping.'),
  evaluation: z
    .strictObject({
      every: z.int().min(0).describe('Steps between evaluations of samples against the data; 0 for none.'),
      samples: z
        .int()
        .min(2)
        .max(10_000_000)
        .describe('Samples per evaluation, and images of the data to compare them with.'),
      metrics: z
        .array(z.enum(trainingMetrics))
        .min(1)
        .max(64)
        .describe('Metrics; the first one selects the best checkpoint.'),
      extractor: extractor.describe('Feature extractor of these metrics.'),
    })
    .describe('Evaluation of samples against the data during training.'),
  probe: z
    .strictObject({ every: z.int().min(0), buckets: upTo(1000), images: z.int().min(2).max(1_000_000) })
    .describe('Loss and gradient per noise bucket on fixed images, every this many steps; 0 for never.'),
  validation: z
    .strictObject({
      every: z.int().min(0).describe('Steps between measurements of the validation loss; 0 for none.'),
      images: upTo(1_000_000).describe('Held-out images to measure it on, at most.'),
      draws: upTo(1000).describe('Draws of noise per image and noise range.'),
      bounds: z
        .boolean()
        .describe('Also compute the losses of the Wiener filter and of the posterior mean, once, to compare it with.'),
    })
    .describe('Validation loss of the averaged weights, by noise range, on images that are held out or test images.'),
  checkpoints: z
    .strictObject({
      every: z.int().min(0).describe('Steps between checkpoints; 0 for one at the end only.'),
      minutes: positive.nullable().describe('Minutes between checkpoints, in addition to every; null for none.'),
      overlap: z
        .int()
        .min(0)
        .describe(
          'Steps that may run while a checkpoint is being saved, before training waits for it. With 1, a kill loses at ' +
            'most one save interval; with n, n - 1 steps more. 0 saves synchronously.',
        ),
      keepLast: count.describe(
        'Number of newest checkpoints to keep, in addition to the best by metric and the one with the lowest loss.',
      ),
    })
    .describe('When to save checkpoints, and how many to keep.'),
  out: text.min(1).describe('Run folder.'),
  recorded: z
    .record(z.string(), z.json())
    .optional()
    .describe('Recorded by dm in the config.json of a run (engine, versions, data); ignored on input.'),
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
