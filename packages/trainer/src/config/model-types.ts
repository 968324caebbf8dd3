/** The model types of a configuration: how to create each one, and which of its fields default to the data's shape. */
import { basicUNet2d, dit, ditTransformer2d, uvit, type Model, type UNet2DOptions } from '@dm/models';
import { UserError } from '../errors.js';
import { ditSize, ditTransformer2dSize, edm2UNetSize, songUNetSize, unetSize, uvitSize } from './default-sizes.js';

/** The properties of the data that a model depends on. `numClasses` is 0 for an unconditional model. */
export interface DataShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly numClasses: number;
  /** Fraction of labels to drop; null for the model's default. */
  readonly labelDropout: number | null;
  /** Whether the model has twice the channels in its output, for a learned variance. */
  readonly learnedVariance?: boolean;
}

interface ModelType {
  /**
   * Creates the model.
   *
   * @throws {ConfigError} if a field is unknown, or fields contradict each other
   */
  readonly create: (config: object) => Model;
  /** Defaults, derived from the data, of fields that the configuration does not set. */
  readonly fromData: (data: DataShape) => object;
  /** The fields that determine the model's size, and their defaults for these images if the configuration sets none. */
  readonly sizeFields: readonly string[];
  readonly defaultSize: (data: DataShape) => object;
  /** Whether it has a null class in addition to its classes. If not, its last class serves as one when labels are dropped. */
  readonly hasNullClass: boolean;
}

/** Number of classes of a model that counts the null class among them. */
function withNullClass({ numClasses, labelDropout }: DataShape): number {
  return numClasses > 0 && labelDropout !== null && labelDropout > 0 ? numClasses + 1 : numClasses;
}

/** The networks of NVlabs and rare options of UNets are made by all-models.ts, so that pages that train do not contain them. */
function notHere(type: string): never {
  throw new UserError(
    `The model type ${type} is not part of the code for browsers. Choose unet, or train it in Node.`,
    {
      code: 'CONFIG_INVALID',
    },
  );
}

/** Creates the model of a configuration: in a browser, of all types except the networks of NVlabs, and without rare options of UNets. */
export type CreateModel = (model: { readonly type: ModelTypeName }) => Model;

export const createModel: CreateModel = ({ type, ...options }) => modelTypes[type].create(options);

/** Model types by their name in `model.type`. To add an architecture, add an entry. */
export const modelTypes = {
  unet: {
    create: (config) => basicUNet2d(config as UNet2DOptions),
    fromData: (data) => ({
      sample_size: data.height === data.width ? data.height : [data.height, data.width],
      in_channels: data.channels,
      out_channels: data.learnedVariance === true ? 2 * data.channels : data.channels,
      num_class_embeds: data.numClasses > 0 ? withNullClass(data) : null,
    }),
    sizeFields: [
      'block_out_channels',
      'down_block_types',
      'up_block_types',
      'layers_per_block',
      'norm_num_groups',
      'attention_head_dim',
      'add_attention',
      'mid_block_type',
    ],
    defaultSize: unetSize,
    hasNullClass: false,
  },
  dit: {
    create: (config) => dit(config),
    fromData: ({ height, channels, numClasses, labelDropout, learnedVariance = false }) => ({
      input_size: height,
      in_channels: channels,
      learn_sigma: learnedVariance,
      num_classes: numClasses,
      ...(labelDropout !== null && { class_dropout_prob: labelDropout }),
    }),
    sizeFields: ['patch_size', 'hidden_size', 'depth', 'num_heads', 'mlp_ratio'],
    defaultSize: ditSize,
    hasNullClass: true,
  },
  'dit-diffusers': {
    create: (config) => ditTransformer2d(config),
    fromData: ({ height, channels, numClasses, learnedVariance }) => {
      if (numClasses === 0) {
        throw new UserError(
          'The model type dit-diffusers is always class-conditional, as in diffusers. Train it on data with classes and ' +
            'conditional true, or use dit.',
          { code: 'CONFIG_INVALID' },
        );
      }
      return {
        sample_size: height,
        in_channels: channels,
        num_embeds_ada_norm: numClasses,
        ...(learnedVariance === true && { out_channels: 2 * channels }),
      };
    },
    sizeFields: ['patch_size', 'num_layers', 'num_attention_heads', 'attention_head_dim'],
    defaultSize: ditTransformer2dSize,
    hasNullClass: true,
  },
  uvit: {
    create: (config) => uvit(config),
    fromData: (data) => {
      if (data.learnedVariance === true) {
        throw new UserError(
          'The model type uvit has no channels for a learned variance. Set diffusion.variance=null, or choose unet, dit or ' +
            'dit-diffusers.',
          { code: 'CONFIG_INVALID' },
        );
      }
      return {
        img_size: data.height,
        in_chans: data.channels,
        num_classes: data.numClasses > 0 ? withNullClass(data) : -1,
      };
    },
    sizeFields: ['patch_size', 'embed_dim', 'depth', 'num_heads', 'mlp_ratio'],
    defaultSize: uvitSize,
    hasNullClass: false,
  },
  'song-unet': {
    create: () => notHere('song-unet'),
    fromData: ({ height, channels, numClasses, labelDropout, learnedVariance }) => ({
      img_resolution: height,
      in_channels: channels,
      out_channels: learnedVariance === true ? 2 * channels : channels,
      label_dim: numClasses,
      ...(labelDropout !== null && { label_dropout: labelDropout }),
    }),
    sizeFields: ['model_channels', 'channel_mult', 'channel_mult_emb', 'num_blocks', 'attn_resolutions'],
    defaultSize: songUNetSize,
    hasNullClass: true,
  },
  'edm2-unet': {
    create: () => notHere('edm2-unet'),
    fromData: (data) => {
      if (data.learnedVariance === true) {
        throw new UserError(
          'The model type edm2-unet has no channels for a learned variance. Set diffusion.variance=null, or choose unet, ' +
            'song-unet or dit.',
          { code: 'CONFIG_INVALID' },
        );
      }
      return { img_resolution: data.height, img_channels: data.channels, label_dim: withNullClass(data) };
    },
    sizeFields: ['model_channels', 'channel_mult', 'num_blocks', 'attn_resolutions', 'channels_per_head'],
    defaultSize: edm2UNetSize,
    hasNullClass: false,
  },
} as const satisfies Readonly<Record<string, ModelType>>;

export type ModelTypeName = keyof typeof modelTypes;

/**
 * Fills in the fields that `model` leaves out: image size, channels and classes of the data, and, if it sets no size field,
 * a size that fits the images. If it sets one, the others keep the class's own defaults.
 *
 * @throws {UserError} if no size fits the images
 */
export function fitModel<T extends { readonly type: ModelTypeName }>(model: T, data: DataShape): T {
  const { fromData, sizeFields, defaultSize }: ModelType = modelTypes[model.type];
  const isSized = sizeFields.some((field) => Object.hasOwn(model, field));
  return { ...fromData(data), ...(isSized ? {} : defaultSize(data)), ...model };
}
