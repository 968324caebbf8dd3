/**
 * Runs the suite of `nx run tools:attack` with new inputs, from a seed that is printed. Its time limits only end what
 * hangs.
 */
import { expect, it } from 'vitest';
import { attack } from './suite.mjs';
import { table } from './table.mjs';

it('finds no fault', { timeout: 7_200_000 }, async () => {
  const seed = Date.now() % 2 ** 31;
  const results = await attack({ seed });
  const rows = results.map(({ kind, inputs, faults }) => [kind, inputs, faults.length]);
  console.log(`seed ${seed}\n${table(['kind', 'inputs', 'faults'], rows)}`);
  expect(results.flatMap(({ kind, faults }) => faults.map((fault) => `${kind}: ${fault}`))).toEqual([]);
  expect(results.length).toBeGreaterThan(15);
});
