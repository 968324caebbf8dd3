import { checkInRange } from '@dm/ops';
import { checkFeatures, checkSameDimension, squaredDistance, type Features } from './features.js';

export interface MemorizationOptions {
  /** Largest ratio of the distances to the nearest and the second nearest training image, in (0, 1). Default 1/3. */
  readonly ratio?: number;
}

/**
 * Fraction of generated images that are copies of training images: the distance to the nearest training image is less than
 * `ratio` of the distance to the second nearest (Yoon et al. 2023, "Diffusion probabilistic models generalize when they
 * fail to memorize"; they use pixels). Copies of images that the training set contains twice are missed.
 * @throws {RangeError} if ratio is not in (0, 1)
 * @throws {EvalError} if the dimensions differ, or there are fewer than two training images
 */
export function memorizedShare(training: Features, generated: Features, options: MemorizationOptions = {}): number {
  const { ratio = 1 / 3 } = options;
  checkInRange('memorizedShare: ratio', ratio, '(0, 1)');
  checkSameDimension(training, generated);
  const count = checkFeatures('training', training);
  const samples = checkFeatures('generated', generated, 1);
  let memorized = 0;
  for (let n = 0; n < samples; n++) {
    let [nearest, second] = [Infinity, Infinity];
    for (let m = 0; m < count; m++) {
      const distance = squaredDistance(training, m, generated, n);
      if (distance < nearest) [nearest, second] = [distance, nearest];
      else if (distance < second) second = distance;
    }
    if (nearest < ratio ** 2 * second) memorized++;
  }
  return memorized / samples;
}
