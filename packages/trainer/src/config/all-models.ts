/** All model types, including those that pages do not contain. */
import { edm2UNet, songUNet, unet2d, type Edm2UNetOptions, type SongUNetOptions, type UNet2DOptions } from '@dm/models';
import { createModel, type CreateModel } from './model-types.js';

/**
 * Creates the model of a configuration.
 *
 * @throws {ConfigError} if a field is unknown, or fields contradict each other
 */
export const createAnyModel: CreateModel = (model) => {
  const { type, ...options } = model;
  if (type === 'unet') return unet2d(options as UNet2DOptions);
  if (type === 'song-unet') return songUNet(options as SongUNetOptions);
  if (type === 'edm2-unet') return edm2UNet(options as Edm2UNetOptions);
  return createModel(model);
};
