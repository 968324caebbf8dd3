/** Opens sets of images by their names on the command line. */
import { openDataset, type OpenDatasetOptions, type Split } from '@dm/data';
import {
  isStatisticsFile,
  openArraySource,
  openDatasetSource,
  openFolderSource,
  readStatistics,
  type ExtractorIdentity,
  type ImageFeatures,
  type ImageSource,
} from '@dm/eval';
import { fileKind } from '@dm/files';
import { extname, resolve } from 'node:path';
import { isCheckpoint } from '../../checkpoint/checkpoint.js';
import { runOrCheckpoint } from '../../checkpoint/resolve.js';
import { UserError } from '../../errors.js';
import { hasRun, runFolder } from '../../run/run-folder.js';
import type { GenerateSamplesOptions } from '../../sampling/generate-samples.js';
import { withOptions, type Preprocessing, type PreprocessingOptions } from './preprocessing.js';
import { openRunSource, type RunSource } from './run-source.js';

/** Forms of a set's name, for help text. */
export const SET_FORMS = [
  'a run or checkpoint folder (samples are generated)',
  'a folder of images of one size',
  'image files to resize and crop (folder:<folder> or <file>.zip)',
  'a .npy or .npz file of images',
  'a data set such as mnist',
  'an .npz file of statistics',
] as const;

export interface OpenSetOptions
  extends
    PreprocessingOptions,
    Pick<
      GenerateSamplesOptions,
      'best' | 'steps' | 'sampler' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'
    > {
  /** Images to use, generated or chosen at random. Default: `defaultSamples` for a run, all images otherwise. */
  readonly count?: number;
  /** Random seed of samples and choices. Default: 0. */
  readonly seed?: number;
  readonly skipBad?: boolean;
  /** Split of data sets that have both. Default: train. */
  readonly split?: Split;
}

/** Default number of samples of a run. */
export const defaultSamples = 1000;

export type OpenedSet =
  | { readonly kind: 'statistics'; readonly set: ImageFeatures }
  | { readonly kind: 'images'; readonly source: ImageSource }
  | { readonly kind: 'run'; readonly source: RunSource };

export type SetKind = 'run' | 'folder' | 'files' | 'array' | 'statistics' | 'data set';

/** The kind of a set, from its name and the file at that path. */
export async function kindOfSet(spec: string): Promise<SetKind> {
  if (fileKind(spec) === 'folder') return isCheckpoint(spec) || hasRun(runFolder(spec)) ? 'run' : 'folder';
  const extension = extname(spec).toLowerCase();
  if (spec.startsWith('folder:') || extension === '.zip') return 'files';
  if (extension === '.npy') return 'array';
  if (extension !== '.npz') return 'data set';
  return (await isStatisticsFile(spec)) ? 'statistics' : 'array';
}

/**
 * Checks that the preprocessing options given have an effect on at least one of these sets.
 *
 * @throws {UserError} if one has no effect
 */
export function checkPreprocessing(kinds: readonly SetKind[], options: PreprocessingOptions): void {
  const isOf = (...affected: SetKind[]) => kinds.some((kind) => affected.includes(kind));
  const { imageSize, imageChannels, imageResize, crop } = options;
  const unused =
    (imageSize !== undefined && !isOf('folder', 'files', 'data set') && '--image-size') ||
    (imageChannels !== undefined && !isOf('folder', 'files') && '--image-channels') ||
    (imageResize !== undefined && !isOf('folder', 'files') && '--image-resize') ||
    (crop !== undefined && !isOf('folder', 'files', 'array', 'data set') && '--crop');
  if (unused !== false) {
    throw new UserError(`${unused} has no effect on these sets (${kinds.join(', ')}). Leave it out.`);
  }
}

/**
 * Opens a set by its name. `ofRun` is the preprocessing of the run that it is compared with; `options` take precedence.
 *
 * @throws {Error} if the set cannot be opened; the message names the set and the problem
 */
export async function openSet(
  spec: string,
  extractor: ExtractorIdentity,
  options: OpenSetOptions = {},
  ofRun: Preprocessing = { files: {} },
): Promise<OpenedSet> {
  const kind = await kindOfSet(spec);
  const isGiven = (['imageSize', 'imageChannels', 'imageResize', 'crop'] as const).some(
    (name) => options[name] !== undefined,
  );
  const preprocessing = withOptions(ofRun, options);
  const { crop } = preprocessing;
  switch (kind) {
    case 'run': {
      const { count = defaultSamples, ...others } = options;
      return { kind, source: await openRunSource({ ...others, ...runOrCheckpoint(spec), count }) };
    }
    case 'statistics':
      return { kind, set: await readStatistics(spec, extractor) };
    case 'folder':
      return {
        kind: 'images',
        source: isGiven
          ? await openFiles(`folder:${spec}`, options, preprocessing)
          : await openFolderSource(spec, options),
      };
    case 'files':
      return { kind: 'images', source: await openFiles(spec, options, preprocessing) };
    case 'array': {
      // Arrays are taken as they are, unless they are the data that the run crops.
      const isCropped = crop !== undefined && (options.crop !== undefined || resolve(spec) === preprocessing.ownData);
      return {
        kind: 'images',
        source: isCropped ? await openData(spec, options, { crop }) : await openArraySource(spec, options),
      };
    }
    default: {
      const { imageSize } = options;
      return {
        kind: 'images',
        source: await openData(spec, options, {
          ...(imageSize !== undefined && { size: imageSize }),
          ...(crop !== undefined && { crop }),
        }),
      };
    }
  }
}

function openFiles(spec: string, options: OpenSetOptions, { files }: Preprocessing): Promise<ImageSource> {
  if (files.size === undefined) {
    throw new UserError(
      `${spec}: image files are resized to one size. Give it: --image-size 32 (compared with a run, the default is the run's).`,
    );
  }
  return openData(spec, options, files);
}

async function openData(
  spec: string,
  options: OpenSetOptions,
  { crop, ...shape }: Pick<OpenDatasetOptions, 'size' | 'channels' | 'resize'> & { readonly crop?: number },
): Promise<ImageSource> {
  const { split, skipBad } = options;
  const dataset = await openDataset(spec, {
    ...(split !== undefined && { split }),
    ...(skipBad !== undefined && { skipBad }),
    ...shape,
    ...(crop !== undefined && { crop: { size: crop, at: 'center' } }),
  });
  const source = await openDatasetSource(dataset, options);
  return { ...source, notes: [...source.notes, ...(dataset.notes ?? [])] };
}
