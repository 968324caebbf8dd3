/** Preprocessing of the images that samples of a run are compared with: by default as the run's own training images. */
import type { ImageResize } from '@dm/data';
import { resolve } from 'node:path';
import { isCheckpoint } from '../../checkpoint/checkpoint.js';
import { runPathOfCheckpoint } from '../../checkpoint/layout.js';
import { resolveConfig } from '../../config/resolve.js';
import { savedConfig } from '../../config/saved-config.js';
import { runFolder } from '../../run/run-folder.js';
import { openDenoiser } from '../../setup/open-denoiser.js';

/** Options of `dm eval` for images that are not samples. */
export interface PreprocessingOptions {
  /** Size in pixels to which image files are resized. Default: the run's. */
  readonly imageSize?: number;
  /** Channels of image files, 1 or 3. Default: the run's, or 3. */
  readonly imageChannels?: 1 | 3;
  /** How image files are resized. Default: as the run's, or bicubic. */
  readonly imageResize?: ImageResize;
  /** Side in pixels of a center crop, or `none`. Default: the run's. */
  readonly crop?: number | 'none';
}

export interface Preprocessing {
  /** Of image files (folders and archives). */
  readonly files: {
    readonly size?: number;
    readonly channels?: 1 | 3;
    readonly resize?: ImageResize;
    readonly crop?: number;
  };
  /** Crop of other data sets. */
  readonly crop?: number;
  /** The run's own data, as an absolute path if it is one. */
  readonly ownData?: string;
}

/** The preprocessing of the run or checkpoint at `path`. */
export function preprocessingOfRun(path: string): Preprocessing {
  const run = isCheckpoint(path) ? runPathOfCheckpoint(path) : path;
  const config = resolveConfig([savedConfig(runFolder(run))]);
  const { imageSize, imageResize, crop, data } = config;
  const [height, width, channels] = openDenoiser(config).model.inputShape;
  const cropSize = crop === null ? {} : { crop: crop.size };
  return {
    files: {
      ...(channels === 1 || channels === 3 ? { channels } : {}),
      resize: imageResize,
      // A run that was trained on other data than files has its images' size only.
      ...(imageSize !== null ? { size: imageSize, ...cropSize } : height === width ? { size: height } : {}),
    },
    ...cropSize,
    ownData: resolve(data),
  };
}

/** `base` (of a run) with the options given. */
export function withOptions(
  base: Preprocessing,
  { imageSize, imageChannels, imageResize, crop }: PreprocessingOptions,
): Preprocessing {
  const { crop: filesCrop, ...files } = base.files;
  const cropOr = (size: number | undefined) => {
    const chosen = crop === undefined ? size : crop === 'none' ? undefined : crop;
    return chosen === undefined ? {} : { crop: chosen };
  };
  return {
    files: {
      ...files,
      ...(imageSize !== undefined && { size: imageSize }),
      ...(imageChannels !== undefined && { channels: imageChannels }),
      ...(imageResize !== undefined && { resize: imageResize }),
      ...cropOr(filesCrop),
    },
    ...cropOr(base.crop),
    ...(base.ownData !== undefined && { ownData: base.ownData }),
  };
}
