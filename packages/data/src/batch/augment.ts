import { uniform } from '@dm/core';
import { firstExample, type BatchOptions } from './order.js';

/** Each augmentation has its own lane of the random stream `augment`. */
const LANES = { flip: 0, crop: 1 } as const;

/** Uniform numbers in [0, 1) per example of a batch: a function of (seed, index of the example in the run). */
function perExample(
  lane: keyof typeof LANES,
  count: number,
  { seed, step, batchSize }: Omit<BatchOptions, 'length'>,
): Float64Array[] {
  const first = firstExample(step, batchSize);
  return Array.from({ length: batchSize }, (_, i) => {
    // A key's index has 32 bits; the index of an example may have more.
    const [high, low] = [Math.floor((first + i) / 2 ** 32), (first + i) % 2 ** 32];
    return uniform({ seed, stream: 'augment', lane: LANES[lane], step: high, index: low }, count);
  });
}

/**
 * Which images of a batch to mirror, each with probability 1/2: a function of (seed, index of the example in the run),
 * so it does not depend on the batch size or on a resume.
 */
export function horizontalFlips(options: Omit<BatchOptions, 'length'>): boolean[] {
  return perExample('flip', 1, options).map(([u]) => u! < 0.5);
}

/**
 * Crop offsets of a batch for `Dataset.readCrops`, [N, 2] in [0, 1): a function of (seed, index of the example in the
 * run).
 */
export function cropOffsets(options: Omit<BatchOptions, 'length'>): Float64Array {
  return Float64Array.from(perExample('crop', 2, options).flatMap((offsets) => [...offsets]));
}

/**
 * Mirrors image n horizontally, in place, if `flips[n]` is true. `images` is uint8 or float32 [N, H, W, C].
 * @throws {RangeError} if the sizes of `images`, `shape` and `flips` do not match
 */
export function flipImages(
  images: Uint8Array | Float32Array,
  shape: readonly [number, number, number],
  flips: readonly boolean[],
): void {
  const [height, width, channels] = shape;
  const rowBytes = width * channels;
  if (images.length !== flips.length * height * rowBytes) {
    throw new RangeError(`${images.length} numbers are not ${flips.length} images of ${shape.join('x')}.`);
  }
  flips.forEach((flip, n) => {
    if (!flip) return;
    for (let y = 0; y < height; y++) {
      const start = (n * height + y) * rowBytes;
      for (let left = 0, right = width - 1; left < right; left++, right--) {
        for (let c = 0; c < channels; c++) {
          const pixel = images[start + left * channels + c]!;
          images[start + left * channels + c] = images[start + right * channels + c]!;
          images[start + right * channels + c] = pixel;
        }
      }
    }
  });
}
