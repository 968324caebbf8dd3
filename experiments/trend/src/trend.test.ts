// The trend from synthetic results whose answer is known.
import { tQuantile, trialFields, type CurveResult, type CurveTrial } from '@dm/experiments';
import { expect, it } from 'vitest';
import { meanSpeedup, trendOf } from './analysis.js';
import { trend } from './trend.js';
import { allPoints, edgeTrials, finalTrials, pointsOf, rateTrials, tunedRate } from './trial.js';

/** A loss that falls by a tenth per octave of images x speed, lowest at a learning rate of 8e-3. */
const resultOf = (trial: CurveTrial, speed = 1): CurveResult => {
  const detuned = 0.02 * Math.log2(trial.arm.recipe.optimizer.lr / 8e-3) ** 2;
  return {
    ...trialFields(trial),
    parameters: 1,
    seconds: { training: 1, measuring: 1 },
    readings: trial.size.readAt.map((images) => ({
      images,
      loss: (1 + detuned) * 0.9 ** Math.log2(images * speed),
      buckets: [],
    })),
  };
};
const byArm = (results: readonly CurveResult[]): Map<string, CurveResult[]> =>
  new Map(results.map(({ arm }) => [arm, results.filter((one) => one.arm === arm)]));

const rates = byArm(rateTrials('laptop').map((trial) => resultOf(trial)));
/** Speed-up 1.2 at 800 steps, and 5% more per octave; with seed 3, 8 % more. */
const speedAt = ({ arm, seed, size }: CurveTrial): number => {
  if (arm.name.startsWith('constant')) return 1;
  const octaves = Math.log2(size.images / 32 / 800);
  return 1.2 * (seed === 3 ? 1.08 : 1.05) ** octaves;
};
const trials = finalTrials('laptop', rates);
const final = byArm(trials.map((trial) => resultOf(trial, speedAt(trial))));

it('tunes three families at five points, and plans whole seeds of four recipes', () => {
  expect(allPoints('laptop')).toEqual([
    { steps: 800, width: 1 },
    { steps: 3200, width: 0.5 },
    { steps: 3200, width: 1 },
    { steps: 12_800, width: 1 },
    { steps: 3200, width: 2 },
  ]);
  expect(rateTrials('laptop')).toHaveLength(5 * 3 * 4);
  expect(trials.map(({ seed }) => seed)).toEqual([0, 1, 2, 3].flatMap((seed) => Array<number>(20).fill(seed)));
  expect(tunedRate(rates, { steps: 800, width: 1 }, 'mdlrc')).toMatchObject({ lr: 8e-3, isEdge: false, beyond: [] });
  const narrow = trials.find(({ arm }) => arm.name === 'linear-3200-width-0.5')!;
  expect(narrow.size.unet).toMatchObject({ block_out_channels: [4, 8, 16], norm_num_groups: 4 });
});

it('the speed-up at a point', () => {
  const { mean, bounds, n } = meanSpeedup(final, 'linear', { steps: 800, width: 1 })!;
  expect([Math.exp(mean), bounds, n]).toEqual([expect.closeTo(1.2, 6), 0, 4]);
});

it('the slope per octave with its interval over seeds, and the prediction two octaves further', () => {
  const { line, bounds } = trendOf(final, 'clts-mdlrc', 'steps', pointsOf('laptop', 'steps'))!;
  const { slope, beyond } = line!;
  const slopes = [1.05, 1.05, 1.05, 1.08].map(Math.log);
  const mean = slopes.reduce((sum, value) => sum + value, 0) / 4;
  const deviation = Math.sqrt(slopes.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 3);
  expect(slope.mean).toBeCloseTo(mean, 6);
  expect(slope.high! - slope.mean).toBeCloseTo((tQuantile(0.975, 3) * deviation) / 2, 6);
  // 12,800 steps are four octaves from 800, and the prediction is two further.
  expect(beyond.mean).toBeCloseTo(Math.log(1.2) + 6 * mean, 6);
  expect(beyond.high! - beyond.mean).toBeCloseTo(tQuantile(0.975, 3) * 6 * deviation * Math.sqrt(1 + 1 / 4), 6);
  expect(bounds).toBe(0);
});

it('a recipe beyond the end of the curve has a lower bound as speed-up, and no slope', () => {
  const fast = byArm(trials.map((trial) => resultOf(trial, trial.arm.name.startsWith('constant') ? 1 : 5)));
  const { mean, low, high, bounds } = meanSpeedup(fast, 'linear', { steps: 800, width: 1 })!;
  expect([Math.exp(mean), high, bounds]).toEqual([expect.closeTo(4, 6), Infinity, 4]);
  expect(low).toBeLessThanOrEqual(mean);
  expect(trendOf(fast, 'linear', 'steps', pointsOf('laptop', 'steps'))).toEqual({ seeds: 4, bounds: 12 });
});

it('leaves out seeds whose baseline diverged', () => {
  const broken = byArm(
    [...final.values()]
      .flat()
      .map((one) => (one.arm.startsWith('constant') && one.seed === 2 ? { ...one, readings: [], divergedAt: 3 } : one)),
  );
  expect(meanSpeedup(broken, 'linear', { steps: 800, width: 1 })!.n).toBe(3);
});

it('tries two more octaves beyond an edge', () => {
  const steep = byArm(rateTrials('laptop').map((trial) => resultOf(trial)));
  for (const [name, list] of steep) {
    if (name.startsWith('linear-800') && !name.endsWith('lr0.016')) {
      steep.set(
        name,
        list.map((one) => ({ ...one, readings: one.readings.map((reading) => ({ ...reading, loss: 1 })) })),
      );
    }
  }
  expect(edgeTrials('laptop', steep).map(({ arm }) => arm.name)).toEqual([
    'linear-800-width-1-lr0.032',
    'linear-800-width-1-lr0.064',
  ]);
  expect(edgeTrials('laptop', rates)).toEqual([]);
});

it('is undecided until all seeds are finished', () => {
  expect(trend.conclude({ rates, final }, 'laptop').verdict).toBeUndefined();
  const three = byArm([...final.values()].flat().filter(({ seed }) => seed < 3));
  expect(trend.conclude({ rates, final: three }, 'laptop').verdict).toBe('open');
  expect(trend.conclude({ rates }, 'laptop').verdict).toBe('open');
});
