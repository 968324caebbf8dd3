import { expect, it } from 'vitest';
import { normalBatch } from './draw.js';
import { nearestNoise } from './nearest-noise.js';

const indices = [3, 8, 20, 21, 40];
const key = { seed: 5, stream: 'noise', step: 2, indices } as const;
const data = Float32Array.from({ length: 5 * 12 }, (_, i) => Math.sin(i * i));
const images = { dtype: 'float32', shape: [5, 3, 4, 1], data } as const;

it('is the candidate with the smallest distance |noise|^2 - 2 <noise, image>, for each image', () => {
  const nearest = nearestNoise(key, images, 6);
  expect(nearest.shape).toEqual(images.shape);
  const candidates = Array.from({ length: 6 }, (_, lane) => normalBatch({ ...key, lane }, [3, 4, 1]).data);
  const chosen = indices.map((_, row) => {
    const rowOf = (noise: Float32Array) => [...noise.subarray(12 * row, 12 * (row + 1))];
    const distances = candidates.map((noise) =>
      rowOf(noise).reduce((sum, e, i) => sum + e * e - 2 * e * data[12 * row + i]!, 0),
    );
    const best = distances.indexOf(Math.min(...distances));
    expect([...nearest.data.subarray(12 * row, 12 * (row + 1))]).toEqual(rowOf(candidates[best]!));
    return best;
  });
  expect(new Set(chosen).size).toBeGreaterThan(1);
});

it('of one candidate is plain noise', () => {
  expect(nearestNoise(key, images, 1)).toEqual(normalBatch(key, [3, 4, 1]));
});

it('of a row does not depend on the rest of the batch', () => {
  const whole = nearestNoise(key, images, 4).data;
  const part = nearestNoise(
    { ...key, indices: indices.slice(3) },
    { ...images, shape: [2, 3, 4, 1], data: data.slice(36) },
    4,
  );
  expect(part.data).toEqual(whole.slice(36));
});

it('rejects no candidates', () => {
  expect(() => nearestNoise(key, images, 0)).toThrowWith({ type: RangeError, contains: ['candidates', 'got 0'] });
});
