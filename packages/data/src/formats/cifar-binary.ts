import { DataError } from '../errors.js';

// The binary version of CIFAR-10 and CIFAR-100, https://www.cs.toronto.edu/~kriz/cifar.html: records of one label byte
// (CIFAR-100: two, coarse and fine) and 3072 image bytes: red, green and blue planes, row-major.

/** Pixels per color plane of a 32x32 image. */
const PLANE = 32 * 32;

export interface CifarRecordLayout {
  /** Label bytes before each image: 1, or 2 in CIFAR-100. */
  readonly labelBytes: 1 | 2;
  /** Which of them to read. Default 0. */
  readonly labelAt?: 0 | 1;
  /** Number of classes; labels are below it. */
  readonly classes: number;
}

/**
 * Parses the bytes of a file to images uint8 [N, 32, 32, 3] and labels; `source` names it in errors.
 * @throws {DataError} if the length is not a multiple of the record size, there are no records, or a label is out of
 * range
 */
export function parseCifar(
  bytes: Uint8Array,
  source: string,
  { labelBytes, labelAt = 0, classes }: CifarRecordLayout,
): { images: Uint8Array; labels: Uint8Array } {
  const record = labelBytes + 3 * PLANE;
  const count = bytes.length / record;
  if (count === 0) throw new DataError(`${source}: empty.`, { code: 'DATA_EMPTY' });
  if (!Number.isInteger(count)) {
    throw new DataError(
      `${source}: ${bytes.length} bytes are not a multiple of the record size ${record} (truncated, or not ` +
        `CIFAR-${labelBytes === 1 ? '10' : '100'}'s binary version?).`,
      { code: 'DATA_CORRUPT' },
    );
  }
  const images = new Uint8Array(count * 3 * PLANE);
  const labels = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    const start = n * record;
    const label = bytes[start + labelAt]!;
    if (label >= classes) {
      throw new DataError(`${source}: label ${label} of image ${n} is outside [0, ${classes}). Is the file damaged?`, {
        code: 'DATA_CORRUPT',
      });
    }
    labels[n] = label;
    for (let c = 0; c < 3; c++) {
      const plane = start + labelBytes + c * PLANE;
      for (let p = 0; p < PLANE; p++) images[(n * PLANE + p) * 3 + c] = bytes[plane + p]!;
    }
  }
  return { images, labels };
}
