// `nx run tools:attack`: runs the built `dm` on hostile inputs and interrupts it, followed by short versions of
// fuzzing, kills, and crossings; prints one table. `--only B9` selects kinds of inputs; `--all` runs more of the random
// ones; `--verbose` prints every input.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { attack } from './suite.mjs';
import { table } from './table.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    all: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const started = performance.now();
console.log(`seed ${values.seed}`);
const results = await attack({
  seed: Number(values.seed),
  all: values.all,
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
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s, ${processorSeconds()} processor seconds`);
process.exitCode = faults > 0 ? 1 : 0;

/** Processor time of this process and its children: fields 14 to 17 of /proc/self/stat, in ticks of 10 ms. */
function processorSeconds() {
  if (process.platform !== 'linux') return '?';
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15);
  return (fields.reduce((sum, ticks) => sum + Number(ticks), 0) / 100).toFixed(0);
}
