import { expect, it } from 'vitest';
import { createByteBudget } from './byte-budget.js';

it('never more than its bytes at a time, in the order of asking, also after a failure', async () => {
  const budget = createByteBudget(10);
  let [held, most] = [0, 0];
  const began: number[] = [];
  const asked = [4, 4, 4, 100, 1, 10, 2, 3];
  const results = await Promise.allSettled(
    asked.map((bytes, i) =>
      budget.run(bytes, async () => {
        began.push(i);
        held += Math.min(10, bytes);
        most = Math.max(most, held);
        await new Promise((resolve) => setTimeout(resolve, 1));
        held -= Math.min(10, bytes);
        if (i === 1) throw new RangeError('bad');
        return i;
      }),
    ),
  );
  expect(began).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(most).toBe(10);
  expect(results.map(({ status }) => status === 'fulfilled')).toEqual(asked.map((_, i) => i !== 1));
});
