import { float32 } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { immiscibleNoise } from './coupling.js';
import { displacementCosines } from './displacement-cosines.js';
import { phaseSteps } from './setup.js';

describe('phaseSteps', () => {
  it('divides the images of each phase by its batch size', () => {
    const phases = [
      { share: 0.5, size: 16 },
      { share: 0.5, size: 64 },
    ];
    expect(phaseSteps(6400, phases)).toEqual([200, 50]);
    expect(() => phaseSteps(100, [{ share: 0.9, size: 1 }])).toThrow(/add up to 0.9/);
  });
});

describe('immiscibleNoise', () => {
  it('minimizes the total squared distance between images and noise', () => {
    const array = (data: number[]) => float32(data, [3, 1, 1, 1]);
    // In one dimension, pairing in sorted order minimizes the total squared distance.
    expect([...immiscibleNoise(array([1, -1, 0]), array([-2, 0.5, 3])).data]).toEqual([3, -2, 0.5]);
  });
});

describe('displacementCosines', () => {
  it('is 1 along a straight line and -1 for an oscillation', () => {
    const straight = displacementCosines();
    const swinging = displacementCosines();
    for (let i = 0; i < 40; i++) {
      straight.add(Float32Array.of(i, 2 * i));
      swinging.add(Float32Array.of(i % 2, 0));
    }
    for (const half of straight.cosines()) for (const cosine of half) expect(cosine).toBeCloseTo(1, 6);
    expect(swinging.cosines()[1]!.slice(0, 2)).toEqual([-1, 1]);
  });
});
