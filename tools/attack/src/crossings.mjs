// `nx run tools:crossings`: trains with random combinations of features, interrupted and resumed. `--crossings 100` is
// the long version; an interrupted run continues if it is restarted with the same --seed and --state.
import { parseArgs } from 'node:util';
import { crossings, threadsTolerance } from './crossings/run.mjs';

const { values } = parseArgs({
  options: {
    crossings: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    state: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const started = performance.now();
console.log(`seed ${values.seed}`);
const result = await crossings({
  crossings: Number(values.crossings),
  seed: Number(values.seed),
  ...(values.state !== undefined && { state: values.state }),
  onCrossing: (line) => {
    if (values.verbose) console.log(line);
  },
});
for (const fault of result.faults) console.log(`fault: ${fault}`);
console.log(
  `${result.crossings} crossings, ${result.interruptions} interruptions, ${result.faults.length} faults\n` +
    `${result.otherThreads} resumed with other threads: weights differ by at most ${result.largestDifference.toExponential(1)} ` +
    `of their norm (${threadsTolerance} allowed); the others ended with the bytes of an unbroken run\n` +
    `${result.refused} configurations that do not go together were drawn again\n` +
    `${((performance.now() - started) / 1000).toFixed(0)} s`,
);
process.exitCode = result.faults.length > 0 ? 1 : 0;
