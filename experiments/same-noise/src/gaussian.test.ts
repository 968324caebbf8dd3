import { expect, it } from 'vitest';
import { fitGaussians, gaussianFlow, gaussianImages } from './gaussian.js';

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
const gaussians = fitGaussians(images, [0, 0, 0, 0, 1, 1]);
const noise = { values: Float32Array.of(1, 0, 0, 1, 3, 3, 20, 20), dimension: 2 };
const labels = [0, 0, 1, 0];

it('takes noise to m + C^(1/2) z with mean and covariance of the label, and clips', () => {
  const { values } = gaussianImages(gaussians, noise, labels);
  const expected = [0.3, 0.3, 0.2, 0.4, 0.5, -0.5, 1, 1];
  expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 6));
});

it('takes noise to alpha m + (alpha^2 C + sigma^2 I)^(1/2) z on the way', () => {
  // The eigenvalues of alpha^2 C + sigma^2 I are .36 * .09 + .64 and .36 * .01 + .64 for (1, 1) and (1, -1).
  const [major, minor] = [Math.sqrt(0.6724), Math.sqrt(0.6436)];
  const { values } = gaussianFlow(gaussians, noise, labels, { alpha: 0.6, sigma: 0.8 });
  const expected = [
    0.06 + (major + minor) / 2,
    0.12 + (major - minor) / 2,
    0.06 + (major - minor) / 2,
    0.12 + (major + minor) / 2,
    0.3 + 0.8 * 3,
    -0.3 + 0.8 * 3,
    0.06 + 20 * major,
    0.12 + 20 * major,
  ];
  expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 5));
});

it('keeps pure noise', () => {
  const { values } = gaussianFlow(gaussians, noise, labels, { alpha: 0, sigma: 1 });
  noise.values.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 5));
});
