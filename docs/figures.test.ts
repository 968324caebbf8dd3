// The numbers of the live figures, against golden values of the formulas (computed in float64 with NumPy).
import { expect, it } from 'vitest';
import {
  cltsLines,
  levelOf,
  logSnrLines,
  momentumLines,
  noisyPicture,
  noisyShare,
  picture,
} from './.vitepress/theme/figures.js';

it('noise levels: alphas of the linear and cosine schedules', () => {
  expect(levelOf('linear', 500).alpha ** 2).toBeCloseTo(0.077796658365, 10);
  expect(levelOf('cosine', 500).alpha ** 2).toBeCloseTo(0.492285172449, 10);
  const linear = logSnrLines().find(({ name }) => name === 'linear')!;
  expect(linear.y[0]).toBeCloseTo(Math.log(0.9999 / 0.0001), 6);
  expect(linear.y.length).toBe(1000);
});

it('CLTS: uniform at first, a fifth of the uniform frequency at least in the end', () => {
  expect(cltsLines(0)[0]!.y.every((p) => Math.abs(p - 1) < 1e-12)).toBe(true);
  expect(Math.min(...cltsLines(1000)[0]!.y)).toBeGreaterThanOrEqual(0.2);
  expect(noisyShare(0)).toBeCloseTo(0.5, 12);
  // At lambda 0.8: 0.2 times a half, and 0.8 times the Gaussian's mass above 0.5, which is 0.170.
  expect(noisyShare(1000)).toBeCloseTo(0.1 + 0.8 * 0.17, 3);
});

it('momentum decay: beta and learning rate at tau 0.8', () => {
  const [momentum, mdlrc, demon] = momentumLines(0.9);
  const at = momentum!.x.indexOf(800);
  expect(momentum!.y[at]).toBeCloseTo(0.643, 3);
  expect(mdlrc!.y[at]).toBeCloseTo(0.28, 10);
  expect(demon!.y[at]).toBe(1);
});

it('the forward process begins with the picture and ends with noise', () => {
  const difference = (t: number) => Math.max(...noisyPicture('cosine', t).map((x, i) => Math.abs(x - picture()[i]!)));
  expect(difference(0)).toBeLessThan(0.05);
  expect(difference(999)).toBeGreaterThan(1);
});
