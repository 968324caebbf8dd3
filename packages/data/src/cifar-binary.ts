import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from './dataset.js';
import { CIFAR10_CLASSES } from './cifar10-classes.js';
import { DataError } from './error.js';
import { readBytes } from './files.js';
import { memoryDataset } from './memory.js';
import type { Split } from './mnist.js';

// The binary version of CIFAR-10 and CIFAR-100, https://www.cs.toronto.edu/~kriz/cifar.html: records of one label byte
// (CIFAR-100: two, coarse and fine) and 3072 bytes of image, all red, then all green, then all blue, row by row.

export interface CifarBinaryOptions {
  /** The unpacked archive: its folder, or the one around it. */
  readonly dir: string;
  readonly split?: Split;
}

export interface Cifar100Options extends CifarBinaryOptions {
  /** The 100 fine classes or the 20 coarse ones. Default fine. */
  readonly classes?: 'fine' | 'coarse';
}

const SIDE = 32;
const PLANE = SIDE * SIDE;

/** CIFAR-10 from `cifar-10-binary.tar.gz`, unpacked. Throws a DataError naming the file that is missing or damaged. */
export async function openCifar10Binary({ dir, split = 'train' }: CifarBinaryOptions): Promise<Dataset> {
  const folder = archiveFolder(dir, 'cifar-10-batches-bin');
  const files = split === 'train' ? [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`) : ['test_batch.bin'];
  const parts = [];
  for (const file of files) {
    const path = join(folder, file);
    parts.push(parseCifar(await readBytes(path), path, { labelBytes: 1, classes: CIFAR10_CLASSES.length }));
  }
  return memoryDataset({
    name: `cifar10/${split}`,
    images: parts.length === 1 ? parts[0]!.images : Buffer.concat(parts.map(({ images }) => images)),
    shape: [SIDE, SIDE, 3],
    labels: parts.flatMap(({ labels }) => [...labels]),
    classes: CIFAR10_CLASSES,
  });
}

/** CIFAR-100 from `cifar-100-binary.tar.gz`, unpacked. Throws a DataError naming the file that is missing or damaged. */
export async function openCifar100(options: Cifar100Options): Promise<Dataset> {
  const { dir, split = 'train', classes: kind = 'fine' } = options;
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
  return memoryDataset({ name: `cifar100/${split}/${kind}`, images, shape: [SIDE, SIDE, 3], labels, classes });
}

export interface CifarRecordLayout {
  /** Bytes of labels before each image: 1, or 2 in CIFAR-100. */
  readonly labelBytes: 1 | 2;
  /** Which of them is wanted. Default 0. */
  readonly labelAt?: 0 | 1;
  /** Labels lie below it. */
  readonly classes: number;
}

/**
 * Images uint8 [N, 32, 32, 3] and labels out of the bytes of a file; `source` names it in errors. Throws a DataError on
 * bytes that are no whole number of records, on none, and on a label that names no class.
 */
export function parseCifar(
  bytes: Uint8Array,
  source: string,
  { labelBytes, labelAt = 0, classes }: CifarRecordLayout,
): { images: Uint8Array; labels: Uint8Array } {
  const record = labelBytes + 3 * PLANE;
  const count = bytes.length / record;
  if (count === 0) throw new DataError(`${source}: empty.`);
  if (!Number.isInteger(count)) {
    throw new DataError(
      `${source}: ${bytes.length} bytes are no whole number of records of ${record} bytes (cut off, or not ` +
        `CIFAR-${labelBytes === 1 ? '10' : '100'}'s binary version?).`,
    );
  }
  const images = new Uint8Array(count * 3 * PLANE);
  const labels = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    const start = n * record;
    const label = bytes[start + labelAt]!;
    if (label >= classes) {
      throw new DataError(`${source}: label ${label} of image ${n} is outside [0, ${classes}). Is the file damaged?`);
    }
    labels[n] = label;
    for (let c = 0; c < 3; c++) {
      const plane = start + labelBytes + c * PLANE;
      for (let p = 0; p < PLANE; p++) images[(n * PLANE + p) * 3 + c] = bytes[plane + p]!;
    }
  }
  return { images, labels };
}

function archiveFolder(dir: string, name: string): string {
  return existsSync(join(dir, name)) ? join(dir, name) : dir;
}
