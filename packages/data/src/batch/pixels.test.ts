import { describe, expect, it } from 'vitest';
import { toBytes, toFloat } from './pixels.js';

describe('bytes and floats', () => {
  it('maps 0 to -1 and 255 to 1', () => {
    expect([...toFloat(Uint8Array.of(0, 255, 51, 204))]).toEqual([-1, 1, Math.fround(-0.6), Math.fround(0.6)]);
  });

  it('brings every byte back', () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(toBytes(toFloat(all))).toEqual(all);
  });

  it('clamps and rounds', () => {
    expect([...toBytes(Float32Array.of(-1.5, 2, 0, 0.0038, 0.0041, Infinity))]).toEqual([0, 255, 128, 128, 128, 255]);
    // 127.5 (x + 1) is 199.4 and 199.6.
    expect([...toBytes(Float32Array.of(199.4 / 127.5 - 1, 199.6 / 127.5 - 1))]).toEqual([199, 200]);
  });

  it('refuses NaN', () => {
    expect(() => toBytes(Float32Array.of(0, NaN))).toThrowWith({ type: RangeError, contains: ['Value 1 of 2', 'NaN'] });
  });
});
