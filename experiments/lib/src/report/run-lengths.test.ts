import { describe, expect, it } from 'vitest';
import { baseline } from '../recipe/recipe.js';
import { finalSize } from '../recipe/sizes.js';
import type { TrialResult } from '../trial/result.js';
import { shortTrials, stepsToTargetByRunLength } from './run-lengths.js';
import { curvesToTarget, formatSpeedup } from './steps-to-target.js';

const size = finalSize.laptop;

/** A run with `value` as the final value of all metrics. */
function ended(seed: number, images: number, value: number): TrialResult {
  const quality = { fd: value, kd: value };
  const loss = { loss: value, quarters: [value, value, value, value] };
  const both = <V>(v: V) => ({ raw: v, ema: v });
  const points = [{ step: 1, images, validation: both(loss), samples: both(quality) }];
  return { seed, size: { ...size, images }, points } as unknown as TrialResult;
}

describe('curvesToTarget', () => {
  it('interpolates, counts the trials that reached the target, and marks lower bounds', () => {
    const metricCurve = { x: [10, 20, 40], y: [4, 2, 1] };
    expect(curvesToTarget([metricCurve], 3, 40)).toMatchObject({ images: [15], reached: 1, of: 1, isLeast: false });
    expect(curvesToTarget([metricCurve, { x: [10], y: [9] }], 3, 40)).toMatchObject({
      images: [15],
      reached: 1,
      of: 2,
    });
    expect(formatSpeedup(curvesToTarget([metricCurve, metricCurve], 4, 40))).toBe('at least 4.00 [4.00, 4.00]');
    expect(formatSpeedup(curvesToTarget([metricCurve], 0.5, 40))).toBe('not reached (0 of 1)');
  });
});

describe('stepsToTargetByRunLength', () => {
  it('compares the final values of complete runs, per seed, with the mean of the baseline', () => {
    const { images } = size;
    const whole = new Map([
      ['baseline', [ended(0, images, 1), ended(1, images, 3)]],
      ['fast', [ended(0, images, 1), ended(1, images, 1)]],
    ]);
    const short = new Map([
      ['fast-1-of-2', [ended(0, images / 2, 3), ended(1, images / 2, 2)]],
      ['faster-1-of-2', [ended(0, images / 2, 0)]],
    ]);
    const found = stepsToTargetByRunLength(whole, short, 'baseline');
    expect(Object.keys(found)).toEqual(['fast']);
    // Seed 0 reaches 2 halfway between half and full length; seed 1 at half length, its shortest run.
    expect(found['fast']!['fd ema']).toMatchObject({ images: [0.75 * images, 0.5 * images], isLeast: true });
    expect(found['fast']!['fd ema']!.speedup!.mean).toBeCloseTo((4 / 3 + 2) / 2, 12);
  });
});

describe('shortTrials', () => {
  it('divides the images', () => {
    const arm = { name: 'a', about: 'as it is', recipe: baseline };
    const trials = shortTrials('short', arm, size, [2, 4], [0, 1]);
    expect(trials.map((trial) => [trial.arm.name, trial.seed, trial.size.images])).toEqual([
      ['a-1-of-2', 0, size.images / 2],
      ['a-1-of-2', 1, size.images / 2],
      ['a-1-of-4', 0, size.images / 4],
      ['a-1-of-4', 1, size.images / 4],
    ]);
  });
});
