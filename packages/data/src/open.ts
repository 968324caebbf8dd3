import { basename, dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { openCifar10 } from './cifar10.js';
import type { Dataset } from './dataset.js';
import { idxDataset } from './idx.js';
import { openImageFolder } from './image-folder.js';
import { openFashionMnist, openMnist, type Split } from './mnist.js';
import { openNpz } from './npz-dataset.js';
import { openShard } from './shard.js';

export interface OpenDatasetOptions {
  /** For sets that have both. Default 'train'. */
  readonly split?: Split;
  /** Image folders only: side of the square images. */
  readonly size?: number;
  /** Image folders only: 1 or 3. Default 3. */
  readonly channels?: 1 | 3;
  /** CIFAR-10 only: the folder given to `fetchCifar10`. */
  readonly cacheDir?: string;
}

/** Forms of a data set's name, for help texts. */
export const DATASET_FORMS = [
  'mnist',
  'cifar10',
  'fashion-mnist:<folder>',
  'idx:<file of images>',
  'folder:<folder of images>',
  'shard:<folder>',
  '<file>.npz',
] as const;

/**
 * Opens a data set by name, one of `DATASET_FORMS`. Throws an Error that lists the forms, and offers the nearest, where
 * the name is unknown.
 */
export async function openDataset(spec: string, options: OpenDatasetOptions = {}): Promise<Dataset> {
  const { split = 'train' } = options;
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const path = colon < 0 ? '' : spec.slice(colon + 1);
  if (spec.toLowerCase().endsWith('.npz')) return openNpz(spec);
  if (kind === 'mnist' && colon < 0) return openMnist({ split });
  if (kind === 'cifar10' && colon < 0) {
    return openCifar10({ split, ...(options.cacheDir !== undefined && { cacheDir: options.cacheDir }) });
  }
  if (!['fashion-mnist', 'idx', 'folder', 'shard'].includes(kind)) throw unknownDataset(spec, kind);
  if (path === '') throw new Error(`Data set '${spec}': a path must follow, as in ${formOf(kind)}.`);
  switch (kind) {
    case 'fashion-mnist':
      return openFashionMnist({ dir: path, split });
    case 'idx': {
      const labels = labelsBeside(path);
      return idxDataset({ images: path, name: spec, ...(labels !== undefined && { labels }) });
    }
    case 'folder': {
      const { size, channels } = options;
      if (size === undefined) throw new Error(`Data set '${spec}': an image folder needs a size, such as 32.`);
      return openImageFolder({ path, size, ...(channels !== undefined && { channels }) });
    }
    default:
      return openShard(path);
  }
}

/** x-images-idx3-ubyte has its labels in x-labels-idx1-ubyte, where that file exists. */
function labelsBeside(images: string): string | undefined {
  const name = basename(images)
    .replace('images', 'labels')
    .replace(/idx[34]/, 'idx1');
  const candidates = [name, `${name}.gz`, name.replace(/\.gz$/, '')].map((file) => join(dirname(images), file));
  return candidates.find((path) => path !== images && existsSync(path));
}

function unknownDataset(spec: string, kind: string): Error {
  const kinds = DATASET_FORMS.map((form) => form.replace(/[:<].*/, '')).filter((name) => name !== '');
  const [nearest] = kinds
    .map((name) => ({ name, distance: editDistance(kind.toLowerCase(), name) }))
    .toSorted((a, b) => a.distance - b.distance);
  const close = nearest && nearest.distance <= Math.max(2, nearest.name.length / 2);
  return new Error(
    `Unknown data set '${spec}'. ${close ? `Did you mean ${formOf(nearest.name)}? ` : ''}Known: ${DATASET_FORMS.join(', ')}.`,
  );
}

function formOf(kind: string): string {
  return DATASET_FORMS.find((form) => form === kind || form.startsWith(`${kind}:`))!;
}

/** Levenshtein's distance, one row at a time. */
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
