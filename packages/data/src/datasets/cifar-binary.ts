import { checkChoice } from '@dm/ops';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '../dataset.js';
import { cifar10Classes } from './cifar10-classes.js';
import { parseCifar } from '../formats/cifar-binary.js';
import { readBytes } from '../io/read-file.js';
import { createMemoryDataset } from './memory.js';
import { type Split, splits } from './mnist.js';

export interface CifarBinaryOptions {
  /** Folder of the unpacked archive, or its parent. */
  readonly dir: string;
  readonly split?: Split;
}

export interface Cifar100Options extends CifarBinaryOptions {
  /** The 100 fine classes or the 20 coarse ones. Default 'fine'. */
  readonly classes?: 'fine' | 'coarse';
}

const SIDE = 32;

/**
 * CIFAR-10 from the unpacked `cifar-10-binary.tar.gz`.
 * @throws {DataError} if a file is missing or damaged; the message names it
 * @throws {RangeError} if an option is unknown
 */
export async function openCifar10Binary({ dir, split = 'train' }: CifarBinaryOptions): Promise<Dataset> {
  checkChoice('split', split, splits);
  const folder = archiveFolder(dir, 'cifar-10-batches-bin');
  const files = split === 'train' ? [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`) : ['test_batch.bin'];
  const parts = [];
  for (const file of files) {
    const path = join(folder, file);
    parts.push(parseCifar(await readBytes(path), path, { labelBytes: 1, classes: cifar10Classes.length }));
  }
  return createMemoryDataset({
    name: `cifar10/${split}`,
    images: parts.length === 1 ? parts[0]!.images : Buffer.concat(parts.map(({ images }) => images)),
    shape: [SIDE, SIDE, 3],
    labels: Buffer.concat(parts.map(({ labels }) => labels)),
    classes: cifar10Classes,
  });
}

/**
 * CIFAR-100 from the unpacked `cifar-100-binary.tar.gz`.
 * @throws {DataError} if a file is missing or damaged; the message names it
 * @throws {RangeError} if an option is unknown
 */
export async function openCifar100(options: Cifar100Options): Promise<Dataset> {
  const { dir, split = 'train', classes: kind = 'fine' } = options;
  checkChoice('split', split, splits);
  checkChoice('openCifar100: classes', kind, ['fine', 'coarse']);
  const folder = archiveFolder(dir, 'cifar-100-binary');
  const names = (await readBytes(join(folder, `${kind}_label_names.txt`))).toString().split(/\r?\n/);
  const classes = names.filter((name) => name !== '');
  const path = join(folder, `${split}.bin`);
  const labelAt = kind === 'coarse' ? 0 : 1;
  const { images, labels } = parseCifar(await readBytes(path), path, {
    labelBytes: 2,
    labelAt,
    classes: classes.length,
  });
  return createMemoryDataset({ name: `cifar100/${split}/${kind}`, images, shape: [SIDE, SIDE, 3], labels, classes });
}

function archiveFolder(dir: string, name: string): string {
  return existsSync(join(dir, name)) ? join(dir, name) : dir;
}
