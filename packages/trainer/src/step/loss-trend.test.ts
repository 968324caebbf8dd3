import { describe, expect, it } from 'vitest';
import { divergenceMultiple, LossTrend, smoothedLoss } from './loss-trend.js';

describe('the trend of the loss', () => {
  it('is the mean of the losses with weights that fall by 0.95 a step, and its minimum', () => {
    const trend = new LossTrend();
    for (const loss of [4, 2, 3]) trend.add(loss);
    const smoothed = (4 * 0.95 ** 2 + 2 * 0.95 + 3) / (0.95 ** 2 + 0.95 + 1);
    expect(smoothedLoss(trend.state()).loss).toBeCloseTo(smoothed, 12);
    expect(trend.state()[2]).toBeCloseTo((4 * 0.95 + 2) / 1.95, 12);
  });

  it('diverges once an episode, and recovers at half the multiple', () => {
    const trend = new LossTrend();
    const changes = (losses: readonly number[]) => losses.map((loss) => trend.add(loss)).filter((c) => c !== undefined);
    expect(changes(Array<number>(50).fill(1))).toEqual([]);
    // A single step 100 times as high raises the mean of about twenty 6 times.
    expect(changes([100, ...Array<number>(200).fill(1)])).toEqual([]);
    expect(changes(Array<number>(100).fill(302))).toEqual(['diverged']);
    expect(trend.divergence!.smoothed / trend.divergence!.minimum).toBeGreaterThan(divergenceMultiple);
    expect(changes(Array<number>(200).fill(1))).toEqual(['recovered']);
    expect(trend.divergence).toBeUndefined();
    expect(changes(Array<number>(100).fill(302))).toEqual(['diverged']);
  });

  it('sees a training that diverges at its second step', () => {
    const trend = new LossTrend();
    expect([1.1, 302].map((loss) => trend.add(loss))).toEqual([undefined, 'diverged']);
  });

  it('goes on from its state to the last bit, through JSON; a state of an older version begins anew', () => {
    const losses = Array.from({ length: 60 }, (_, i) => (i === 30 ? 900 : 1 + Math.sin(i) / 3));
    const unbroken = new LossTrend();
    const states = losses.map((loss) => {
      unbroken.add(loss);
      return JSON.stringify(unbroken.state());
    });
    for (const at of [0, 1, 30, 31, 59]) {
      const resumed = new LossTrend(at === 0 ? undefined : (JSON.parse(states[at - 1]!) as number[]));
      for (const loss of losses.slice(at)) resumed.add(loss);
      expect(JSON.stringify(resumed.state())).toBe(states.at(-1));
    }
    expect(new LossTrend().state()).toEqual([]);
    expect(smoothedLoss([]).loss).toBeUndefined();
    expect(smoothedLoss(undefined).loss).toBeUndefined();
  });

  it('begins again with each stage of a curriculum, also after a checkpoint', () => {
    let trend = new LossTrend();
    for (const stage of [1, 2, 3]) {
      for (let i = 0; i < 50; i++) {
        // Each stage adds levels on which the loss is far higher.
        expect(trend.add(100 ** stage)).toBeUndefined();
        trend.enterStage(i === 49 ? stage + 1 : stage);
      }
      expect(smoothedLoss(trend.state())).toEqual({ loss: undefined, stage: stage + 1 });
      trend = new LossTrend(JSON.parse(JSON.stringify(trend.state())) as number[]);
    }
    for (let i = 0; i < 50; i++) trend.add(1);
    expect(smoothedLoss(trend.state()).loss).toBeCloseTo(1, 12);
    expect(Array.from({ length: 50 }, () => trend.add(302))).toContain('diverged');
  });
});
