/** Opens sets of images by their names on the command line. */
import { fileKind } from '@dm/files';
import { extname } from 'node:path';
import { isCheckpoint } from '../../checkpoint/checkpoint.js';
import { runOrCheckpoint } from '../../checkpoint/resolve.js';
import { openDataset, type Split } from '@dm/data';
import {
  openArraySource,
  openDatasetSource,
  openFolderSource,
  isStatisticsFile,
  readStatistics,
  type ExtractorIdentity,
  type ImageFeatures,
  type ImageSource,
} from '@dm/eval';
import { hasRun, runFolder } from '../../run/run-folder.js';
import type { GenerateSamplesOptions } from '../../sampling/generate-samples.js';
import { openRunSource, type RunSource } from './run-source.js';

/** Forms of a set's name, for help text. */
export const SET_FORMS = [
  'a run or checkpoint folder (samples are generated)',
  'a folder of images',
  'a .npy or .npz file of images',
  'a data set such as mnist',
  'an .npz file of statistics',
] as const;

export interface OpenSetOptions extends Pick<
  GenerateSamplesOptions,
  'best' | 'steps' | 'sampler' | 'engine' | 'threads' | 'onNote'
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

/**
 * Opens a set by its name.
 *
 * @throws {Error} if the set cannot be opened; the message names the set and the problem
 */
export async function openSet(
  spec: string,
  extractor: ExtractorIdentity,
  options: OpenSetOptions = {},
): Promise<OpenedSet> {
  if (isFolder(spec)) {
    if (isCheckpoint(spec) || hasRun(runFolder(spec))) {
      const { count = defaultSamples, ...others } = options;
      return { kind: 'run', source: await openRunSource({ ...others, ...runOrCheckpoint(spec), count }) };
    }
    return { kind: 'images', source: await openFolderSource(spec, options) };
  }
  const extension = extname(spec).toLowerCase();
  if (extension === '.npz' && (await isStatisticsFile(spec))) {
    return { kind: 'statistics', set: await readStatistics(spec, extractor) };
  }
  if (extension === '.npz' || extension === '.npy') {
    return { kind: 'images', source: await openArraySource(spec, options) };
  }
  const { split } = options;
  const dataset = await openDataset(spec, split === undefined ? {} : { split });
  return { kind: 'images', source: await openDatasetSource(dataset, options) };
}

function isFolder(path: string): boolean {
  return fileKind(path) === 'folder';
}
