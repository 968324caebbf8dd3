/** Similarity of samples to their nearest training images, to detect memorization. */
import type { Dataset } from '@dm/data';

/** The training images with the highest cosines. */
export interface NearestTraining {
  readonly cosines: Float64Array;
  readonly indices: Uint32Array;
}

/**
 * The training image with the maximum cosine with each sample, uint8 [N, H, W, C], after subtracting the mean training
 * image, and this cosine: [N] each.
 */
export async function nearestTraining(samples: Uint8Array, train: Dataset): Promise<NearestTraining> {
  const size = train.shape.reduce((product, side) => product * side, 1);
  const { images } = await train.read(Uint32Array.from({ length: train.length }, (_, i) => i));
  const mean = new Float64Array(size);
  images.forEach((value, i) => (mean[i % size]! += value / train.length));
  const count = samples.length / size;
  const wanted = Array.from({ length: count }, (_, n) => unit(samples.subarray(n * size, (n + 1) * size), mean));
  const cosines = new Float64Array(count).fill(-Infinity);
  const indices = new Uint32Array(count);
  for (let m = 0; m < train.length; m++) {
    const image = unit(images.subarray(m * size, (m + 1) * size), mean);
    for (let n = 0; n < count; n++) {
      const sample = wanted[n]!;
      let cosine = 0;
      for (let k = 0; k < size; k++) cosine += sample[k]! * image[k]!;
      if (cosine > cosines[n]!) [cosines[n], indices[n]] = [cosine, m];
    }
  }
  return { cosines, indices };
}

/** The image minus the mean, normalized to length 1; zeros if they are equal. */
function unit(image: Uint8Array, mean: Float64Array): Float32Array {
  const rest = Float32Array.from(image, (value, k) => value - mean[k]!);
  const norm = Math.sqrt(rest.reduce((sum, value) => sum + value * value, 0));
  return norm === 0 ? rest : rest.map((value) => value / norm);
}
