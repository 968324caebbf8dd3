import { float32 } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { immiscibleNoise } from './coupling.js';
import { displacementCosines } from './displacement-cosines.js';
import { phaseSteps } from './setup.js';

describe('phaseSteps', () => {
  it('fills the share of the images of each phase with its batches', () => {
    const phases = [
      { share: 0.5, size: 16 },
      { share: 0.5, size: 64 },
    ];
    expect(phaseSteps(6400, phases)).toEqual([200, 50]);
    expect(() => phaseSteps(100, [{ share: 0.9, size: 1 }])).toThrow(/add up to 0.9/);
  });
});

describe('immiscible', () => {
  it('gives each image the noise that lies nearest in total', () => {
    const array = (data: number[]) => float32(data, [3, 1, 1, 1]);
    // Pairs in order of size have the least total squared distance on a line.
    expect([...immiscibleNoise(array([1, -1, 0]), array([-2, 0.5, 3])).data]).toEqual([3, -2, 0.5]);
  });
});

describe('pathDirection', () => {
  it('is 1 along a line and -1 between the swings of a path that turns back', () => {
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
