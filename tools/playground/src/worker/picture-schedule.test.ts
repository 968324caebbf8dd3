import { describe, expect, it } from 'vitest';
import { PictureSchedule } from './picture-schedule.js';

describe('PictureSchedule', () => {
  it('keeps pictures to their share of the time, apart from the early ones', () => {
    const schedule = new PictureSchedule(0.2);
    let [training, drawing] = [0, 0];
    const drawn: number[] = [];
    for (let step = 1; step <= 2000; step++) {
      schedule.addStep(0.05);
      training += 0.05;
      if (!schedule.isDue(step)) continue;
      schedule.addDrawing(step, 0.6);
      drawing += 0.6;
      drawn.push(step);
    }
    expect(drawn.slice(0, 3)).toEqual([1, 20, 50]);
    // 0.6 s of 20% are 2.4 s of training: 48 steps.
    expect(drawn[3]).toBe(98);
    expect(drawing / (training + drawing)).toBeGreaterThan(0.18);
    expect(drawing / (training + drawing)).toBeLessThan(0.21);
  });

  it('does not draw twice after the same step', () => {
    const schedule = new PictureSchedule(0.2);
    schedule.addStep(1);
    expect(schedule.isDue(1)).toBe(true);
    schedule.addDrawing(1, 0);
    expect(schedule.isDue(1)).toBe(false);
  });
});
