import { expect, it } from 'vitest';
import { gaussianImages } from './gaussian.js';

it('takes noise to m + C^(1/2) z with mean and covariance of the label, and clips', () => {
  // Label 0: mean (.1, .2), covariance [[.05, .04], [.04, .05]] with the square root [[.2, .1], [.1, .2]].
  // Label 1: no variance.
  const spread = Math.sqrt(0.09 / 2);
  const narrow = Math.sqrt(0.01 / 2);
  const points = [
    [spread, spread],
    [-spread, -spread],
    [narrow, -narrow],
    [-narrow, narrow],
  ].map(([u, v]) => [0.1 + u! * Math.sqrt(3 / 2), 0.2 + v! * Math.sqrt(3 / 2)]);
  const images = { values: Float32Array.from([...points, [0.5, -0.5], [0.5, -0.5]].flat()), dimension: 2 };
  const noise = { values: Float32Array.of(1, 0, 0, 1, 3, 3, 20, 20), dimension: 2 };
  const { values } = gaussianImages(images, [0, 0, 0, 0, 1, 1], noise, [0, 0, 1, 0]);
  const expected = [0.3, 0.3, 0.2, 0.4, 0.5, -0.5, 1, 1];
  expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 6));
});
