import { checkInteger } from '@dm/ops';
import type { FeatureExtractor } from './feature-extractor.js';

export interface PixelExtractorOptions {
  /** Side of the downscaled image. Default 8: 64 features. */
  readonly side?: number;
}

/**
 * Pixels as features: the mean of the channels, downscaled by area averaging to `side` x `side`, in [0, 1]. No network,
 * no weights. Its Fréchet distance compares means and covariances of coarse gray images: enough to detect a failed
 * training run or identical sets, but it ignores fine structure and color.
 * @throws {RangeError} if side < 1
 */
export function createPixelExtractor({ side = 8 }: PixelExtractorOptions = {}): FeatureExtractor {
  checkInteger('createPixelExtractor: side', side, 1);
  const dimensions = side * side;
  return {
    name: 'pixels',
    weightsSha256: 'none',
    resize: `area ${side}x${side}, gray`,
    dimensions,
    comparable: false,
    hasLogits: false,
    features({ data, shape: [count, height, width, channels] }) {
      const features = new Float32Array(count * dimensions);
      const [down, across] = [shares(height, side), shares(width, side)];
      for (let n = 0; n < count; n++) {
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const at = ((n * height + y) * width + x) * channels;
            let gray = 0;
            for (let c = 0; c < channels; c++) gray += data[at + c]! / (255 * channels);
            for (const { cell: row, share: sy } of down[y]!) {
              for (const { cell: column, share: sx } of across[x]!) {
                features[n * dimensions + row * side + column]! += sy * sx * gray;
              }
            }
          }
        }
      }
      return Promise.resolve({ features });
    },
    dispose: () => Promise.resolve(),
  };
}

/** For each of `from` pixels: the cells (of `to`) that it overlaps, and its weight in the mean of each. */
function shares(from: number, to: number): { cell: number; share: number }[][] {
  const size = from / to;
  return Array.from({ length: from }, (_, pixel) => {
    const cells: { cell: number; share: number }[] = [];
    for (let cell = Math.floor(pixel / size); cell < to && cell * size < pixel + 1; cell++) {
      const overlap = Math.min(pixel + 1, (cell + 1) * size) - Math.max(pixel, cell * size);
      if (overlap > 0) cells.push({ cell, share: overlap / size });
    }
    return cells;
  });
}
