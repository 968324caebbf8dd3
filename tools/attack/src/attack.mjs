// `nx run tools:attack`: runs the built `dm` on hostile inputs and interrupts it, followed by short versions of
// fuzzing, kills, and crossings; prints one table. `--only B9` selects kinds of inputs; `--verbose` prints every input.
import { parseArgs } from 'node:util';
import { attack } from './suite.mjs';
import { table } from './table.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    verbose: { type: 'boolean', default: false },
  },
});
const started = performance.now();
console.log(`seed ${values.seed}`);
const results = await attack({
  seed: Number(values.seed),
  ...(values.only !== undefined && { only: new RegExp(values.only) }),
  onInput: (line) => {
    if (values.verbose) console.log(line);
  },
});
for (const { kind, faults } of results) for (const fault of faults) console.log(`fault: ${kind}: ${fault}`);
const inputs = results.reduce((sum, result) => sum + result.inputs, 0);
const faults = results.reduce((sum, result) => sum + result.faults.length, 0);
console.log(
  table(
    ['kind', 'inputs', 'faults'],
    [...results.map((result) => [result.kind, result.inputs, result.faults.length]), ['all', inputs, faults]],
  ),
);
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
process.exitCode = faults > 0 ? 1 : 0;
