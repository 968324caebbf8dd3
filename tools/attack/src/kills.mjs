// `nx run tools:kills`: kills commands at random moments and checks the files they leave. `--kills 500` is the long
// version; an interrupted run continues if it is restarted with the same --state.
import { parseArgs } from 'node:util';
import { kills } from './kills/run.mjs';
import { table } from './table.mjs';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    /** Seed of the random moments. Default: a new one, which is printed. */
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    engine: { type: 'string', default: 'onnx' },
    /** Steps of a training run; when a run finishes, a new one starts. */
    steps: { type: 'string', default: '3000' },
    /** Optimizer steps between checkpoints. */
    interval: { type: 'string', default: '50' },
    state: { type: 'string' },
    /** A regular expression that selects commands by name. */
    only: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const started = performance.now();
console.log(`seed ${values.seed}, engine ${values.engine}, a checkpoint every ${values.interval} steps`);
const results = await kills({
  kills: Number(values.kills),
  seed: Number(values.seed),
  engine: values.engine,
  steps: Number(values.steps),
  interval: Number(values.interval),
  ...(values.state !== undefined && { state: values.state }),
  ...(values.only !== undefined && { only: new RegExp(values.only) }),
  onKill: (line) => {
    if (values.verbose) console.log(line);
  },
});
for (const { name, faults } of results) for (const fault of faults) console.log(`fault: ${name}: ${fault}`);
const total = results.reduce((sum, { kills: count }) => sum + count, 0);
const faults = results.reduce((sum, result) => sum + result.faults.length, 0);
console.log(
  table(
    ['command', 'kills', 'faults', 'seen'],
    [
      ...results.map(({ name, kills: count, faults: found, notes }) => [name, count, found.length, notes]),
      ['all', total, faults, ''],
    ],
  ),
);
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
process.exitCode = faults > 0 ? 1 : 0;
