/** Data of floats of any number of channels, such as latents of an autoencoder. */
import { denormalizeFloats, describeDataset, normalizeDataset, type ChannelScaling, type Dataset } from '@dm/data';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import type { Images } from '../files/images.js';

type Latents = NonNullable<Config['latents']>;

/** Whether this is the clipping of presets, to the range of images. */
function isImageRange(clipping: Config['sampler']['clipping']): boolean {
  return clipping?.type === 'range' && (clipping.max ?? 1) === 1;
}

/**
 * The configuration for data of floats: with the mean and scale of each channel that it leaves to the data, and without
 * clipping of samples to [-1, 1], the range of images. Any other clipping applies to the scaled latents, as diffusers
 * applies what the scheduler's configuration has. Reads the data once if it needs their statistics.
 *
 * @throws {UserError} `DATA_MISMATCH` if the data has values that are not finite, or a channel is constant
 */
export async function withLatents(config: Config, dataset: Dataset): Promise<Config> {
  const latents = config.latents ?? {};
  return {
    ...config,
    latents: { layout: 'NCHW', ...latents, ...(await measured(config, latents, dataset)) },
    sampler: isImageRange(config.sampler.clipping) ? { ...config.sampler, clipping: null } : config.sampler,
  };
}

/** A note if `withLatents` has removed the clipping of the chosen configuration; otherwise undefined. */
export function clippingNote(chosen: Config, opened: Config): string | undefined {
  if (chosen.sampler.clipping === null || opened.sampler.clipping !== null) return undefined;
  return (
    'sampler.clipping to [-1, 1] is removed, since latents exceed that range; to clip scaled latents, set another range, ' +
    'such as --set \'sampler.clipping={"type":"range","max":4}\''
  );
}

/** Mean and scale, if they are not given. */
async function measured(
  { diffusion }: Config,
  { mean, scale }: Latents,
  dataset: Dataset,
): Promise<Pick<Latents, 'mean' | 'scale'>> {
  const channels = dataset.shape[2];
  if (scale !== undefined) return { mean: mean ?? Array<number>(channels).fill(0), scale };
  const { prediction } = diffusion;
  const target = prediction.type === 'edm' ? (prediction.sigmaData ?? 0.5) : 1;
  const { channels: found } = await describeDataset(dataset);
  found.forEach(({ std, min, max }, c) => {
    // The computed deviation of equal values is not always 0.
    if (Number.isFinite(std) && min < max) return;
    throw new UserError(
      Number.isFinite(std)
        ? `${dataset.name}: channel ${c} is constant. Set latents.scale, such as 1, or leave the channel out.`
        : `${dataset.name}: channel ${c} has values that are not finite. Encode the images again, in float32.`,
      { code: 'DATA_MISMATCH' },
    );
  });
  return { mean: mean ?? found.map((channel) => channel.mean), scale: found.map(({ std }) => target / std) };
}

/** Mean and scale of each channel; undefined for images, and if the configuration leaves them to the data. */
export function scalingOf({ latents }: Config): ChannelScaling | undefined {
  if (latents?.mean === undefined || latents.scale === undefined) return undefined;
  const { mean, scale } = latents;
  return { mean, scale: typeof scale === 'number' ? mean.map(() => scale) : scale };
}

/**
 * The data, scaled if it is of floats.
 *
 * @throws {UserError} `DATA_MISMATCH` if the data is of floats and the configuration has no scale, or the other way round
 */
export function scaledData(config: Config, dataset: Dataset): Dataset {
  const scaling = scalingOf(config);
  if (dataset.floats !== undefined && scaling !== undefined) return normalizeDataset(dataset, scaling);
  if (dataset.floats === undefined && scaling === undefined) return dataset;
  throw new UserError(
    scaling === undefined
      ? `${dataset.name} has floats, whose scale only a run trained on them has. Give such a run, or data of images.`
      : `${dataset.name} has images, but the run was trained on floats. Give data of floats.`,
    { code: 'DATA_MISMATCH' },
  );
}

/** Samples of the model: of latents, with the scale undone. */
export function finishedSamples(config: Config, made: Images): Images {
  const scaling = scalingOf(config);
  if (scaling === undefined) return made;
  return {
    ...made,
    images: denormalizeFloats(made.images, scaling),
    latents: { layout: config.latents?.layout ?? 'NCHW' },
  };
}
