/**
 * Runs the suite of `nx run tools:attack` with new inputs, from a seed that is printed. Runs only with DM_ATTACK=1,
 * since a busy machine can exceed some of its time limits.
 */
import { expect, it } from 'vitest';
import { attack } from './suite.mjs';
import { table } from './table.mjs';

it.skipIf(process.env['DM_ATTACK'] !== '1')('finds no fault (DM_ATTACK=1)', { timeout: 1_800_000 }, async () => {
  const seed = Date.now() % 2 ** 31;
  const results = await attack({ seed });
  const rows = results.map(({ kind, inputs, faults }) => [kind, inputs, faults.length]);
  console.log(`seed ${seed}\n${table(['kind', 'inputs', 'faults'], rows)}`);
  expect(results.flatMap(({ kind, faults }) => faults.map((fault) => `${kind}: ${fault}`))).toEqual([]);
  expect(results.length).toBeGreaterThan(15);
});
