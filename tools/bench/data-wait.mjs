// Measures how long training waits for batches: images of a shard, read and prepared by the trainer's own loop.
//
//   nx run bench:data-wait                            a step that computes nothing, and lasts as long as its batch at
//                                                     2000 images per second; fails above 5%
//   nx run bench:data-wait --rate 0                   a step that takes no time: the fastest rate of the loader
//   nx run bench:data-wait --device webgpu            a training step on a device instead
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { writeShard } from '@dm/data';
import { compileStep, initialState, openEngine, openTrainingSetup, resolveConfig, trainingSteps } from '@dm/trainer';
import { cpuSeconds } from './contenders/repeat.mjs';
import { quantile } from './summary.mjs';

const { values } = parseArgs({
  options: {
    /** Images per second of the step that computes nothing; with 0, it takes no time. */
    rate: { type: 'string', default: '2000' },
    /** Runs a training step on this device of the engine `onnx` instead. */
    device: { type: 'string' },
    /** The model of that step, a UNet: `default`, or `tiny` for software GPUs. */
    model: { type: 'string', default: 'default' },
    batch: { type: 'string', default: '64' },
    steps: { type: 'string', default: '100' },
    /** Images of 32x32x3 in the shard. */
    images: { type: 'string', default: '20000' },
    /** Allowed fraction of a step. */
    bar: { type: 'string', default: '0.05' },
    json: { type: 'boolean', default: false },
  },
});
const [rate, batch, steps, images, bar] = [values.rate, values.batch, values.steps, values.images, values.bar].map(
  Number,
);
if (![rate, batch, steps, images, bar].every((value) => value >= 0) || batch < 1 || steps < 1 || images < 1) {
  throw new RangeError('--rate and --bar must be numbers >= 0, and --batch, --steps, and --images integers >= 1');
}

if (values.model !== 'default' && values.model !== 'tiny') {
  throw new RangeError(`--model must be default or tiny, got ${values.model}`);
}
/** Two blocks of 4 channels, without attention. */
const tiny = {
  block_out_channels: [4, 4],
  down_block_types: ['DownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'UpBlock2D'],
  add_attention: false,
  layers_per_block: 1,
  norm_num_groups: 4,
};

const shape = /** @type {const} */ ([32, 32, 3]);
const pixels = 32 * 32 * 3;
const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`);

/** Writes a shard of random images, and returns its path. @param {string} folder */
async function createShard(folder) {
  const path = join(folder, 'images.shard');
  let state = 1;
  function* chunks() {
    for (let i = 0; i < images; i++) {
      yield Uint8Array.from({ length: pixels }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24);
    }
  }
  const labels = Int32Array.from({ length: images }, (_, i) => i % classes.length);
  await writeShard(path, { name: 'random images', shape, classes, images: chunks(), labels });
  return path;
}

/**
 * A step that computes nothing, and ends when a card would have done its batch. It leaves the event loop free, as a
 * step on a card does.
 *
 * @returns {import('@dm/trainer').CompiledStep}
 */
function idleStep() {
  const ms = rate === 0 ? 0 : (1000 * batch) / rate;
  const losses = new Float32Array(batch);
  return {
    state: /** @type {never} */ (undefined),
    async run() {
      if (ms > 0) await sleep(ms);
      return { loss: 0, losses, gradNorm: 0, isFinite: true };
    },
    dispose: async () => {},
  };
}

const folder = mkdtempSync(join(tmpdir(), 'dm-data-wait-'));
try {
  const data = await createShard(folder);
  const model = { type: 'unet', ...(values.model === 'tiny' && tiny) };
  const value = { data, batchSize: batch, totalSteps: steps, model, samples: 1, out: join(folder, 'run') };
  const setup = await openTrainingSetup(resolveConfig([{ source: 'data-wait', value: /** @type {never} */ (value) }]), {
    skipMemoryCheck: true,
  });
  const engine =
    values.device === undefined
      ? undefined
      : await openEngine('onnx', { device: /** @type {never} */ (values.device) });
  const step = engine === undefined ? idleStep() : await compileStep(setup, engine, initialState(setup));
  const seconds = /** @type {number[]} */ ([]);
  const waited = /** @type {number[]} */ ([]);
  // The first batch is not prefetched, and the first steps compile.
  const skipped = Math.min(10, Math.floor(steps / 2));
  let cpuBefore = 0;
  for await (const done of trainingSteps(setup, step)) {
    seconds.push(done.seconds);
    waited.push(done.secondsWaited);
    if (done.step === skipped) cpuBefore = cpuSeconds();
  }
  const cpu = cpuSeconds() - cpuBefore;
  await step.dispose();
  await engine?.dispose();

  /** @param {readonly number[]} list */
  const total = (list) => list.slice(skipped).reduce((a, b) => a + b, 0);
  const result = {
    step: values.device ?? (rate === 0 ? 'no time' : `${rate} images/s`),
    batch,
    steps: steps - skipped,
    stepMs: 1000 * quantile(seconds.slice(skipped), 0.5),
    waitedMs: 1000 * quantile(waited.slice(skipped), 0.5),
    /** Fraction of all steps' time spent waiting for batches. */
    waited: total(waited) / total(seconds),
    /** CPU time of the process per step, in all threads. */
    cpuMs: (1000 * cpu) / (steps - skipped),
    imagesPerSecond: (batch * (steps - skipped)) / total(seconds),
  };
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `step ${result.step}, batch ${batch}: ${result.stepMs.toFixed(1)} ms per step, ${result.imagesPerSecond.toFixed(0)} ` +
        `images/s, ${(100 * result.waited).toFixed(2)}% of the time waiting for batches, ${result.cpuMs.toFixed(1)} ms of CPU time`,
    );
  }
  if (!values.json && rate > 0 && values.device === undefined && result.waited > bar) {
    console.error(`Waiting takes more than the allowed ${100 * bar}%.`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
