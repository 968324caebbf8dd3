// Whether memory stays flat: the resident size of this process after step 1000 within 2 % of that after step 100, with a
// small model on the engine `onnx`. Exit code 1 where it is not. `nx run bench:memory`.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openOnnxEngine } from '@dm/jit';
import { cases, optimizer } from './cases.mjs';
import { trainingOf } from './contenders/training.mjs';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '100' },
    to: { type: 'string', default: '1000' },
    /** Allowed growth, as a part. */
    bar: { type: 'string', default: '0.02' },
    threads: { type: 'string', default: '2' },
  },
});
const [from, to, bar, threads] = [values.from, values.to, values.bar, values.threads].map(Number);
if (!(from >= 1 && to > from))
  throw new RangeError(`--to must be above --from, and that at least 1, got ${from}, ${to}`);

/** Resident size now, in MiB, of what is in use: garbage that waits to be collected is not growth. */
async function residentMb() {
  globalThis.gc?.();
  await sleep(100); // buffers of collected arrays are freed on another thread
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
  // Another batch with each step, as in training.
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
  `From step ${from} to ${to} the resident size ${growth < 0 ? 'fell' : 'grew'} by ${(100 * Math.abs(growth)).toFixed(2)} %: ` +
    `${flat ? 'flat' : `more than the ${100 * bar} % allowed`}.`,
);
if (!flat) process.exitCode = 1;
