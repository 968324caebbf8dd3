// Checks for memory leaks: trains a small model on the engine `onnx` and exits with 1 if the resident set size after
// step 1000 exceeds its value after step 100 by more than 2%. `nx run bench:memory`.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openOnnxEngine } from '@dm/jit';
import { cases, optimizer } from './cases.mjs';
import { trainingOf } from './contenders/training.mjs';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '100' },
    to: { type: 'string', default: '1000' },
    /** Allowed relative growth. */
    bar: { type: 'string', default: '0.02' },
    threads: { type: 'string', default: '2' },
  },
});
const [from, to, bar, threads] = [values.from, values.to, values.bar, values.threads].map(Number);
if (!(from >= 1 && to > from))
  throw new RangeError(`--from must be >= 1 and --to > --from, got --from ${from} --to ${to}`);

/** Resident set size in MiB, after garbage collection. */
async function residentMb() {
  globalThis.gc?.();
  await sleep(100); // array buffers are freed on another thread
  return process.memoryUsage.rss() / 2 ** 20;
}

const benchCase = cases.find(({ small, kind }) => small && kind === 'training');
if (benchCase === undefined) throw new Error('cases.mjs has no small training case');
const training = trainingOf(benchCase, optimizer);
const engine = await openOnnxEngine({ threads });
const program = engine.compile(training.program, { name: 'training step' });
const state = await program.load(training.state());

let [before, after] = [0, 0];
const marks = new Set([1, 10, from, to, ...Array.from({ length: 9 }, (_, i) => Math.round((to * (i + 1)) / 10))]);
console.log(`${benchCase.name}, ${training.layout.size} parameters, ${threads} threads`);
for (let step = 1; step <= to; step++) {
  // A different batch at each step, as in training.
  await program.run(state, { ...training.batch(step), ...training.scalars(step - 1) });
  if (!marks.has(step)) continue;
  const mb = await residentMb();
  console.log(`after step ${String(step).padStart(5)}  ${mb.toFixed(1)} MiB`);
  if (step === from) before = mb;
  if (step === to) after = mb;
}
await engine.dispose();

const growth = after / before - 1;
const flat = growth <= bar;
console.log(
  `From step ${from} to ${to} the resident set size ${growth < 0 ? 'fell' : 'grew'} by ${(100 * Math.abs(growth)).toFixed(2)}%: ` +
    `${flat ? 'no leak' : `more than the allowed ${100 * bar}%`}.`,
);
if (!flat) process.exitCode = 1;
