// `nx run tools:fuzz`: damaged inputs for every reader. `--inputs 1000000` is the long version; an interrupted run
// continues if it is restarted with the same --state.
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz/run.mjs';
import { table } from './table.mjs';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '20240407' },
    /** File that stores the progress. */
    state: { type: 'string' },
    /** A regular expression that selects readers by name. */
    only: { type: 'string' },
  },
});
const started = performance.now();
const results = await fuzz({
  inputs: Number(values.inputs),
  seed: Number(values.seed),
  ...(values.state !== undefined && { state: values.state }),
  ...(values.only !== undefined && { only: new RegExp(values.only) }),
  onFault: (line) => console.log(`fault: ${line}`),
});
const sum = (/** @type {'inputs' | 'read' | 'faults'} */ key) => results.reduce((total, row) => total + row[key], 0);
console.log(
  table(
    ['reader', 'inputs', 'read', 'faults'],
    [
      ...results.map(({ name, inputs, read, faults }) => [name, inputs, read, faults]),
      ['all', sum('inputs'), sum('read'), sum('faults')],
    ],
  ),
);
console.log(`seed ${values.seed}, ${((performance.now() - started) / 1000).toFixed(0)} s`);
process.exitCode = sum('faults') > 0 ? 1 : 0;
