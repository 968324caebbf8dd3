import { cosineSchedule, linearSchedule, rescaleZeroTerminalSnr } from '@dm/core';
import { describe, expect, it } from 'vitest';
import { spearmanCorrelation, movingAverage, settlingTime } from './curves.js';
import { difficulty } from './difficulty.js';
import { noiseBuckets, stratifiedTimesteps } from './noise-buckets.js';

describe('noiseBuckets', () => {
  const schedule = linearSchedule();

  it('are equal parts of the timesteps, cleanest first', () => {
    const buckets = noiseBuckets(schedule, 10);
    expect(buckets.map(({ from, to }) => [from, to])).toEqual(
      Array.from({ length: 10 }, (_, k) => [100 * k, 100 * (k + 1)]),
    );
    // sqrt(1 - abar) at the ends of the first bucket is .01 and .32 (abar[100] = .8951 in diffusers' linear schedule).
    expect(buckets[0]!.noiseRate).toBeGreaterThan(0.01);
    expect(buckets[0]!.noiseRate).toBeLessThan(Math.sqrt(1 - 0.895141590898));
    expect(buckets.map(({ noiseRate }) => noiseRate)).toEqual(
      buckets.map(({ noiseRate }) => noiseRate).toSorted((a, b) => a - b),
    );
  });

  it('or of the log-SNR, whose widths are then equal up to a timestep', () => {
    const buckets = noiseBuckets(schedule, 5, 'logSnr');
    expect([buckets[0]!.from, buckets.at(-1)!.to]).toEqual([0, 1000]);
    const logSnr = (t: number) => Math.log(schedule.alphasCumprod[t]! / (1 - schedule.alphasCumprod[t]!));
    const width = (logSnr(0) - logSnr(999)) / 5;
    buckets.forEach(({ from }, k) => {
      if (k === 0) return;
      const edge = logSnr(0) - k * width;
      expect(logSnr(from)).toBeLessThanOrEqual(edge);
      expect(logSnr(from - 1)).toBeGreaterThan(edge);
    });
  });

  it('reach the end also if it has SNR 0', () => {
    const terminal = noiseBuckets(rescaleZeroTerminalSnr(cosineSchedule({ numTimesteps: 50 })), 5, 'logSnr');
    expect(terminal.at(-1)!.to).toBe(50);
    expect(terminal.every(({ logSnr }) => Number.isFinite(logSnr))).toBe(true);
  });

  it('refuse more than there are timesteps for', () => {
    expect(() => noiseBuckets(linearSchedule({ numTimesteps: 20 }), 21)).toThrowWith({
      type: RangeError,
      contains: ['noise buckets', '1 to 20', 'got 21'],
    });
    expect(() => noiseBuckets(linearSchedule({ numTimesteps: 20 }), 20, 'logSnr')).toThrowWith({
      type: RangeError,
      contains: ['20 buckets', 'no timestep'],
    });
    expect(() => noiseBuckets(linearSchedule(), 4, 'time' as 'timestep')).toThrowWith({
      type: RangeError,
      contains: ['coordinate', 'timestep, logSnr', '"time"'],
    });
  });

  it('are sampled evenly', () => {
    expect([...stratifiedTimesteps({ from: 10, to: 20 }, 5)]).toEqual([11, 13, 15, 17, 19]);
    expect([...stratifiedTimesteps({ from: 3, to: 5 }, 4)]).toEqual([3, 3, 4, 4]);
  });
});

describe('curves', () => {
  it('smooth by a centered mean, which leaves a straight line', () => {
    expect(movingAverage([0, 3, 0, 3, 0], 3)).toEqual([0, 1, 2, 1, 0]);
    expect(movingAverage([5, 4, 3, 2, 1], 5)).toEqual([5, 4, 3, 2, 1]);
    expect(() => movingAverage([1, 2], 2)).toThrowWith({ type: RangeError, contains: ['window', 'odd', 'got 2'] });
  });

  it('find the position from which a curve stays below a level', () => {
    const steps = [0, 10, 20, 30];
    expect(settlingTime(steps, [4, 2, 1, 1], 3)).toBe(5);
    // Below once, above again, below for good.
    expect(settlingTime(steps, [4, 1, 3, 1], 2)).toBe(25);
    expect(settlingTime(steps, [1, 1, 1, 1], 2)).toBe(0);
    expect(settlingTime(steps, [4, 2, 1, 3], 2)).toBeNull();
    expect(settlingTime(steps, [Infinity, 2, 1, 1], 3)).toBe(10);
  });

  it('correlate ranks as scipy.stats.spearmanr does', () => {
    expect(spearmanCorrelation([1, 2, 3, 4, 5, 6], [2, 1, 4, 4, 9, 3])).toBeCloseTo(0.5797710356524484, 14);
    expect(spearmanCorrelation([0.1, 0.5, 0.2, 0.9], [4, 3, 2, 1])).toBeCloseTo(-0.8, 14);
    expect(spearmanCorrelation([1, 2, 3], [5, null, 4])).toBe(-1);
    expect(spearmanCorrelation([1, 2, 3], [7, 7, 7])).toBeNull();
    expect(() => spearmanCorrelation([1], [1, 2])).toThrowWith({ type: RangeError, contains: ['1 values', '2'] });
  });
});

describe('difficulty', () => {
  const buckets = noiseBuckets(linearSchedule({ numTimesteps: 100 }), 3);
  // Losses floor + height exp(-step / tau): a noisier bucket ends lower and comes there faster.
  const decay = [
    { floor: 0.5, height: 0.5, tau: 100, norm: 1 },
    { floor: 0.2, height: 0.8, tau: 50, norm: 2 },
    { floor: 0.05, height: 0.95, tau: 25, norm: 3 },
  ];
  const records = Array.from({ length: 101 }, (_, k) => ({
    step: 10 * k,
    loss: decay.map(({ floor, height, tau }) => floor + height * Math.exp((-10 * k) / tau)),
    gradNorm: decay.map(({ norm }) => norm),
  }));

  it('finds the ends, the times and the order of exponential decays', () => {
    const report = difficulty(buckets, records, { within: [0.1], window: 1, tail: 0.1 });
    report.buckets.forEach(({ finalLoss, times, meanGradNorm, finalGradNorm }, b) => {
      const { floor, height, tau, norm } = decay[b]!;
      expect(finalLoss).toBeCloseTo(floor, 3);
      // exp(-t / tau) = 0.1, and height exp(-t / tau) = 0.1 floor; linear between records of 10 steps.
      expect(Math.abs(times[0]!.ofDrop! - tau * Math.log(10))).toBeLessThan(2);
      expect(Math.abs(times[0]!.ofFinal! - tau * Math.log(height / (0.1 * floor)))).toBeLessThan(2);
      expect([meanGradNorm, finalGradNorm]).toEqual([norm, norm]);
    });
    expect(report.rankCorrelations).toEqual({
      finalLoss: -1,
      meanGradNorm: 1,
      finalGradNorm: 1,
      timeWithin10OfFinal: -1,
      timeWithin10OfDrop: -1,
    });
  });

  it('says that a loss which rises at the end never came to stay', () => {
    const rising = records.map((record, k) => ({ ...record, loss: record.loss.map((loss) => (k === 100 ? 9 : loss)) }));
    const report = difficulty(buckets, rising, { window: 1, tail: 0.1 });
    expect(report.buckets.every(({ times }) => times.every(({ ofFinal }) => ofFinal === null))).toBe(true);
    expect(report.rankCorrelations['timeWithin5OfFinal']).toBeNull();
  });

  it('refuses records that do not fit', () => {
    expect(() => difficulty(buckets, records.slice(0, 1))).toThrowWith({
      code: 'RECORDS_INVALID',
      contains: ['at least 2', 'got 1'],
    });
    expect(() => difficulty(buckets.slice(1), records)).toThrowWith({
      code: 'RECORDS_INVALID',
      contains: ['3 losses', '2 buckets'],
    });
    expect(() => difficulty(buckets, [records[1]!, records[0]!])).toThrowWith({
      code: 'RECORDS_INVALID',
      contains: ['step 0', 'step 10'],
    });
    expect(() => difficulty(buckets, records, { within: [5] })).toThrowWith({
      type: RangeError,
      contains: ['within[0]', '(0, 1)', 'got 5'],
    });
    expect(() => difficulty(buckets, records, { tail: 0 })).toThrowWith({
      type: RangeError,
      contains: ['tail', '(0, 1]', 'got 0'],
    });
  });
});
