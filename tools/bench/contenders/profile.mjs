// Profiles calls of a case. Reads { case, optimizer, threads, calls, folder } from standard input; writes the runtime's
// profiles to `folder`, and prints a line of JSON, { ms, classes, cpuSeconds }: the median call, with milliseconds and
// operations of each class of operators. Profiling slows a call down.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseProfile } from '@dm/jit';
import { byClass } from '../operator-classes.mjs';
import { openEngine } from './engine.mjs';
import { cpuSeconds } from './repeat.mjs';
import { samplingOf } from './sampling.mjs';
import { trainingOf } from './training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const training = trainingOf(request.case, request.optimizer);
/** Milliseconds of the update kernel in each run. @type {number[]} */
const updates = [];
const { engine } = await openEngine('onnx', request.threads, {
  profilePrefix: join(request.folder, 'session'),
  ran: ({ updateMs }) => void updates.push(updateMs),
});
/** Runs of the program in a call. */
let runs = 1;
/** @type {() => Promise<unknown>} */
let call;
if (request.case.kind === 'training') {
  const step = engine.compile(training.program, { name: 'training step' });
  const state = await step.load(training.state());
  let count = 0;
  call = () => step.run(state, { ...training.batch(0), ...training.scalars(count++) });
} else {
  const { sampler, images } = await samplingOf(training, request.case.sampling, engine);
  runs = request.case.sampling.steps;
  call = () => sampler.sample(images);
}
for (let i = 0; i < 1 + request.calls; i++) await call();
await engine.dispose();

const profiles = readdirSync(request.folder).map((name) =>
  parseProfile(readFileSync(join(request.folder, name), 'utf8')),
);
const { calls } = profiles.reduce((a, b) => (b.calls.length > a.calls.length ? b : a));
const expected = (1 + request.calls) * runs;
if (calls.length !== expected || updates.length !== expected) {
  throw new Error(`${expected} runs have ${calls.length} profiles and ${updates.length} updates: try fewer --calls`);
}
const measured = Array.from({ length: request.calls }, (_, i) => {
  // The first call allocates memory.
  const from = (1 + i) * runs;
  const nodes = calls.slice(from, from + runs).flatMap((one) => one.nodes);
  const updateMs = updates.slice(from, from + runs).reduce((a, b) => a + b, 0);
  const classes = byClass([...nodes, { op: 'update kernel', ms: updateMs, flops: 0 }]);
  return { ms: classes.reduce((sum, { ms }) => sum + ms, 0), classes };
});
const sorted = measured.toSorted((a, b) => a.ms - b.ms);
console.log(JSON.stringify({ ...sorted[sorted.length >> 1], cpuSeconds: cpuSeconds() }));
