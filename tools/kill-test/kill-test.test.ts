// The short form of `nx run kill-test:kill`.
import { expect, it } from 'vitest';
import { killTest } from './kill-test.mjs';

it('a training killed at random moments loses at most one save interval, and ends as an unbroken one', async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const interval = 10;
  const outcome = await killTest({ kills: 6, seed, engine: 'tfjs-cpu', steps: 100, interval });
  expect(outcome.kills).toBeGreaterThanOrEqual(6);
  expect(outcome.duringSave).toBeGreaterThanOrEqual(2);
  expect(outcome.lost).toBeLessThanOrEqual(interval);
}, 240_000);
