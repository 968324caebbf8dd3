// Compares training steps on a device with the CPU, from the same state: losses, and the first moments after the first
// step. Parameters are not compared, since the first step of Adam is lr * sign(g), also of tiny gradients.
// Reads a JSON object from standard input: { case, optimizer, options, threads, steps }; `options` select the
// device, as in `openOnnxEngine`. Prints one JSON object.
import { readFileSync } from 'node:fs';
import { openEngine } from '../bench/contenders/engine.mjs';
import { trainingOf } from '../bench/contenders/training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const training = trainingOf(request.case, request.optimizer);

/** @param {import('@dm/jit').OnnxEngineOptions} [options] */
async function run(options) {
  const began = performance.now();
  const { engine, counters } = await openEngine('onnx', request.threads, options);
  const program = engine.compile(training.program, { name: 'training step' });
  const initial = training.state();
  const state = await program.load(initial);
  /** @type {number[]} */
  const losses = [];
  /** @type {ArrayLike<number> | undefined} */
  let moments;
  let copiedBytes = 0;
  for (let step = 0; step < request.steps; step++) {
    const before = counters.copiedBytes;
    const { loss } = await program.run(state, { ...training.batch(step), ...training.scalars(step) });
    losses.push(loss.data[0]);
    copiedBytes = counters.copiedBytes - before;
    moments ??= (await state.read(['m']))['m'].data;
  }
  const info = engine.info;
  await engine.dispose();
  const stateBytes = Object.values(initial).reduce((bytes, { data }) => bytes + data.byteLength, 0);
  return { losses, moments: moments ?? [], copiedBytes, stateBytes, ms: performance.now() - began, info };
}

const cpu = await run();
const device = await run(request.options);

/** @param {ArrayLike<number>} values @param {(value: number, i: number) => number} [map] */
const largest = (values, map = (value) => value) => {
  let found = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(map(values[i], i));
    if (!(size <= found)) found = size; // NaN is kept
  }
  return found;
};

console.log(
  JSON.stringify({
    parameters: training.layout.size,
    losses: { cpu: cpu.losses, device: device.losses },
    /** Largest relative difference of a loss. */
    lossDifference: largest(device.losses, (loss, i) => loss / cpu.losses[i] - 1),
    /** Largest difference of a first moment after the first step, relative to the largest one. */
    momentDifference: largest(device.moments, (m, i) => m - cpu.moments[i]) / largest(cpu.moments),
    copiedBytes: device.copiedBytes,
    stateBytes: device.stateBytes,
    ms: { cpu: cpu.ms, device: device.ms },
    engine: device.info,
  }),
);
