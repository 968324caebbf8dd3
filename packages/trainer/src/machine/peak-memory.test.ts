import { expect, it } from 'vitest';
import { peakMemoryMb } from './peak-memory.js';

it('grows with what the process holds', () => {
  const before = peakMemoryMb();
  const held = Buffer.alloc(256 * 2 ** 20, 1);
  expect(before).toBeGreaterThan(0);
  expect(peakMemoryMb()).toBeGreaterThan(Math.max(before, held.length / 2 ** 20));
});
