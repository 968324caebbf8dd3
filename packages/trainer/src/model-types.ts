/** The architectures that a configuration may name: how each is made, and what it takes from the data. */
import { dit, ditTransformer2d, unet2d, uvit, type Model, type UNet2DOptions } from '@dm/models';
import { UserError } from './errors.js';

/** What the data say about a model; `numClasses` is 0 for an unconditional one. */
export interface DataShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly numClasses: number;
}

interface ModelType {
  /** Throws a ConfigError on fields that the class does not have or that do not fit together. */
  readonly create: (config: object) => Model;
  /** The fields that follow the data where the configuration leaves them out. */
  readonly fromData: (data: DataShape) => object;
}

/** By the name in `model.type`. A new architecture is a line here. */
export const modelTypes = {
  unet: {
    create: (config) => unet2d(config as UNet2DOptions),
    fromData: ({ height, width, channels, numClasses }) => ({
      sample_size: height === width ? height : [height, width],
      in_channels: channels,
      out_channels: channels,
      num_class_embeds: numClasses > 0 ? numClasses : null,
    }),
  },
  dit: {
    create: (config) => dit(config),
    fromData: ({ height, channels, numClasses }) => ({
      input_size: height,
      in_channels: channels,
      learn_sigma: false,
      num_classes: numClasses,
    }),
  },
  'dit-diffusers': {
    create: (config) => ditTransformer2d(config),
    fromData: ({ height, channels, numClasses }) => {
      if (numClasses === 0) {
        throw new UserError(
          'The model type dit-diffusers has class labels always, as in diffusers: train it on data with classes and ' +
            'conditional true, or choose dit.',
        );
      }
      return { sample_size: height, in_channels: channels, num_embeds_ada_norm: numClasses };
    },
  },
  uvit: {
    create: (config) => uvit(config),
    fromData: ({ height, channels, numClasses }) => ({
      img_size: height,
      in_chans: channels,
      num_classes: numClasses > 0 ? numClasses : -1,
    }),
  },
} as const satisfies Readonly<Record<string, ModelType>>;

export type ModelTypeName = keyof typeof modelTypes;
