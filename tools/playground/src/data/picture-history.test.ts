import { describe, expect, it } from 'vitest';
import { type Drawing, formatDrawings, mostDrawings, parseDrawings, toBytes, withDrawing } from './picture-history.js';

const drawing = (step: number): Drawing => ({ step, pictures: [Uint8Array.of(step % 256, 1, 2, 3)] });

describe('picture history', () => {
  it('thins out what is too much, and has the first and the newest drawing', () => {
    let drawings: readonly Drawing[] = [];
    for (let step = 0; step <= 1000; step++) {
      drawings = withDrawing(drawings, drawing(step));
      expect(drawings.length).toBeLessThanOrEqual(mostDrawings);
      expect([drawings[0]!.step, drawings.at(-1)!.step]).toEqual([0, step]);
    }
    expect(drawings.length).toBeGreaterThan(mostDrawings / 2 - 1);
  });

  it('replaces drawings of the same and of later steps', () => {
    const drawings = [drawing(0), drawing(5), drawing(9)];
    expect(withDrawing(drawings, drawing(5)).map(({ step }) => step)).toEqual([0, 5]);
  });

  it('is read as it was written, and a damaged file is empty', () => {
    const drawings: Drawing[] = [
      { step: 0, pictures: [Uint8Array.of(1, 2), Uint8Array.of(3, 4)], agreement: { same: 0.5, shuffled: 0.1 } },
      { step: 20, pictures: [Uint8Array.of(5, 6), Uint8Array.of(7, 8)] },
    ];
    const file = formatDrawings(drawings);
    expect(parseDrawings(file, 2)).toEqual(drawings);
    expect(parseDrawings(file, 3)).toEqual([]);
    expect(parseDrawings(file.subarray(0, 9), 2)).toEqual([]);
    expect(parseDrawings(new Uint8Array(2), 2)).toEqual([]);
  });

  it('rounds and clips', () => {
    expect([...toBytes(Float32Array.of(-2, -1, 0, 1, 9))]).toEqual([0, 0, 128, 255, 255]);
  });
});
