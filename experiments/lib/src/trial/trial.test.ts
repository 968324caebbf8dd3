import { float32 } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { immiscibleNoise } from './coupling.js';
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
