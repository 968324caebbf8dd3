/** Tests of the harness of `nx run tools:attack`. */
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './fuzz/outcome.mjs';
import { mutated } from './fuzz/mutate.mjs';
import { createRandom } from './random.mjs';

describe('the harness', () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const kindOf = async (read: (bytes: Uint8Array) => unknown) => (await outcomeOf({ read }, bytes)).kind;

  it('takes values and the errors of readers, and nothing else', async () => {
    expect(await kindOf((input) => input.slice())).toBe('read');
    expect(await kindOf(() => Promise.reject(new RangeError('size must be 1, got 2')))).toBe('refused');
    expect(await kindOf((input) => input.fill(0))).toBe('fault');
    expect(await kindOf((input) => (input as unknown as { x: { y: number } }).x.y)).toBe('fault');
    expect(await kindOf(() => new Float32Array(2 ** 40))).toBe('fault');
    const deep = (n: number): number => 1 + deep(n + 1);
    expect(await kindOf(() => deep(0))).toBe('fault');
  });

  it('makes the same input of the same seed', () => {
    const input = (index: number) => mutated(createRandom(1, 2, index), [Buffer.from('{"a": [1, 2]}')]).toString('hex');
    expect(input(5)).toBe(input(5));
    expect(new Set(Array.from({ length: 50 }, (_, i) => input(i))).size).toBeGreaterThan(40);
  });
});
