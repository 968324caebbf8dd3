// The device check: correctness and speed of training on this machine's graphics card, compared with its CPU and with
// PyTorch on the same card. `run.sh` of the kit starts it; README.md describes parts, limits, and results.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { optimizer } from '../bench/cases.mjs';
import { runContender } from '../bench/run-contender.mjs';
import { sizes } from './cases.mjs';
import { watchMemory } from './memory-watch.mjs';
import { summarizeCase } from './summarize-case.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'device-check.json' },
    /** Minutes for all parts together. */
    minutes: { type: 'string', default: '12' },
    /** `tiny` is for software GPUs and tests. */
    size: { type: 'string', default: 'full' },
    /** Device of this project's engine. */
    device: { type: 'string', default: 'webgpu' },
    /** Device of PyTorch: `cuda`, or `cpu` in tests. */
    'torch-device': { type: 'string', default: 'cuda' },
    /** Rounds of the timing; each contender runs once per round. */
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '20' },
    /** Only these parts, and of their cases only these. */
    parts: { type: 'string', default: 'correctness,timing,waiting,profile,variants' },
    cases: { type: 'string' },
  },
});
const [minutes, rounds, steps] = [values.minutes, values.rounds, values.steps].map(Number);
if (!(minutes > 0)) throw new RangeError(`--minutes must be > 0, got ${values.minutes}`);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new RangeError(`--rounds must be an integer >= 1, got ${values.rounds}`);
if (!Number.isInteger(steps) || steps < 1) throw new RangeError(`--steps must be an integer >= 1, got ${values.steps}`);
if (values.size !== 'full' && values.size !== 'tiny')
  throw new RangeError(`--size must be full or tiny, got ${values.size}`);
const parts = values.parts.split(',');
const known = ['correctness', 'timing', 'waiting', 'profile', 'variants'];
const unknown = parts.filter((part) => !known.includes(part));
if (unknown.length > 0) throw new RangeError(`--parts must be among ${known.join(', ')}, got ${unknown.join(', ')}`);
const all = sizes[values.size];
const chosen = values.cases?.split(',');
const names = [...all.correctness, ...all.timing].map(({ name }) => name);
const unknownCases = chosen?.filter((name) => !names.includes(name)) ?? [];
if (unknownCases.length > 0)
  throw new RangeError(`--cases must be among ${names.join(', ')}, got ${unknownCases.join(', ')}`);
const among = (/** @type {readonly Case[]} */ cases) => cases.filter(({ name }) => chosen?.includes(name) ?? true);
const correctness = parts.includes('correctness') ? among(all.correctness) : [];
const timing = among(all.timing);
const { profiled } = all;

const began = performance.now();
const elapsed = () => (performance.now() - began) / 1000;
const remaining = () => 60 * minutes - elapsed();
const out = resolve(values.out);
const threads = Math.max(1, Math.min(8, cpus().length));
const here = import.meta.dirname;
const python = process.env['DM_PYTHON'] ?? 'python3';

/** Largest differences that count as correct: of a loss, and of the first moments (relative to the largest one). */
const tolerance = { loss: 1e-4, moments: 1e-3 };

/** @typedef {import('../bench/contenders.mjs').Contender} Contender */
/** @typedef {import('../bench/cases.mjs').Case} Case */
/** @typedef {import('./summarize-case.mjs').Timed} Timed */

/** What the JSON contains, filled part by part. */
const report = {
  size: values.size,
  startedAt: new Date().toISOString(),
  finished: false,
  seconds: 0,
  kit: JSON.parse(readFileSync(join(here, '../kit.json'), 'utf8')),
  card: card(),
  machine: {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
  },
  vulkan: Object.fromEntries(
    ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'LD_LIBRARY_PATH'].map((name) => [name, process.env[name] ?? null]),
  ),
  versions: /** @type {Record<string, unknown>} */ ({ node: process.version }),
  /** @type {{ part: string, seconds: number, failed?: string }[]} */
  parts: [],
  /** @type {Record<string, unknown>[]} */
  correctness: [],
  /** @type {ReturnType<typeof summarizeCase>[]} */
  timing: [],
  /** @type {Record<string, unknown> | null} */
  waiting: null,
  /** GPU time of operators and shaders, by case. @type {Record<string, unknown>} */
  profiles: {},
};

/** Name, driver, and memory of the card according to nvidia-smi; null without it. */
function card() {
  const fields = ['name', 'driver_version', 'memory.total', 'pcie.link.gen.max', 'clocks.max.sm'];
  const { status, stdout } = spawnSync(
    'nvidia-smi',
    [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'],
    { encoding: 'utf8' },
  );
  if (status !== 0) return null;
  const [name, driver, memoryMb, pcieGeneration, maxClockMhz] = stdout.trim().split('\n')[0].split(', ');
  const numbers = { memoryMb, pcieGeneration, maxClockMhz };
  return { name, driver, ...Object.fromEntries(Object.entries(numbers).map(([key, text]) => [key, Number(text)])) };
}

/** Replaces the report's file, so that a run that is cut off leaves the parts that ended. */
function save() {
  report.seconds = Math.round(elapsed());
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(`${out}.part`, `${JSON.stringify(report, undefined, 2)}\n`);
  renameSync(`${out}.part`, out);
}

const memory = watchMemory();
const scratch = mkdtempSync(join(tmpdir(), 'dm-device-check-'));

/**
 * Runs a part as a process, with a time limit, and records its duration and, if it failed, the reason.
 *
 * @param {string} part
 * @param {Contender} contender Its `seconds` are the part's limit.
 * @param {Case} benchCase
 * @param {Record<string, unknown>} settings
 * @returns {Promise<Record<string, any> | undefined>} The part's output; undefined if it failed.
 */
async function runPart(part, contender, benchCase, settings) {
  const start = elapsed();
  /** @param {string} [failed] */
  const end = (failed) => {
    report.parts.push({ part, seconds: round(1, elapsed() - start), ...(failed !== undefined && { failed }) });
    console.log(`${String(Math.round(elapsed())).padStart(4)} s  ${part}${failed === undefined ? '' : `: ${failed}`}`);
    save();
  };
  const seconds = Math.min(contender.seconds, remaining());
  if (seconds < 2) {
    end(`not run: the limit of ${minutes} minutes for all parts is used up`);
    return undefined;
  }
  const peak = memory.start();
  const result = await runContender({ ...contender, seconds: round(0, seconds) }, benchCase, {
    threads,
    scratch,
    optimizer,
    ...settings,
  });
  const peakDeviceMb = peak();
  if (typeof result === 'string') {
    end(result);
    return undefined;
  }
  end();
  return { ...(peakDeviceMb !== undefined && { peakDeviceMb: round(0, peakDeviceMb) }), ...result };
}

/** @param {number} digits @param {number} value */
function round(digits, value) {
  return Number(value.toFixed(digits));
}

// Correctness.

for (const benchCase of correctness) {
  const found = await runPart(
    `correctness ${benchCase.name}`,
    {
      name: 'correctness',
      command: () => [process.execPath, 'correctness.mjs'],
      request: { options: { device: values.device } },
      seconds: values.size === 'tiny' ? 600 : 45,
    },
    benchCase,
    { steps: 5 },
  );
  if (found === undefined) {
    report.correctness.push({ case: benchCase.name, correct: false, failed: report.parts.at(-1)?.failed });
  } else {
    const correct = found['lossDifference'] <= tolerance.loss && found['momentDifference'] <= tolerance.moments;
    report.correctness.push({ case: benchCase.name, correct, tolerance, ...found });
  }
  save();
}

// Timing.

const layouts = /** @type {const} */ (['NHWC', 'NCHW']);
/** @param {Case} benchCase */
const isTransformer = ({ model }) => model !== 'UNet2DModel';

/**
 * A layout of convolutions has no effect on a transformer, which has one at each end only.
 *
 * @param {Case} benchCase
 */
const ours = (benchCase) =>
  layouts.slice(0, isTransformer(benchCase) ? 1 : 2).map((convolutionLayout) => ({
    name: `dm-${values.device}-${convolutionLayout}`,
    command: (/** @type {Case['kind']} */ kind) => [
      process.execPath,
      join('contenders', kind === 'training' ? 'train.mjs' : 'sample.mjs'),
    ],
    request: {
      engine: 'onnx',
      options: { device: values.device, ...(values.device === 'webgpu' && { convolutionLayout }) },
    },
    seconds: values.size === 'tiny' ? 600 : 60,
  }));

/**
 * Our contenders with options of the device that are off by default. Each is timed in the first round only.
 *
 * @param {Case} benchCase
 */
const withOptions = (benchCase) =>
  [
    { suffix: 'capture', options: { graphCapture: true } },
    ...(values.device === 'cuda' ? [{ suffix: 'tf32', options: { tf32: true } }] : []),
  ].flatMap(({ suffix, options }) =>
    ours(benchCase).map((one) => ({
      ...one,
      name: `${one.name}-${suffix}`,
      request: { ...one.request, options: { ...one.request.options, ...options } },
    })),
  );

/**
 * Our contenders in half precision, for training. A device that cannot compute it has the reason in `failed`.
 *
 * @param {Case} benchCase
 */
const inHalf = (benchCase) =>
  benchCase.kind !== 'training'
    ? []
    : (values.device === 'cuda' ? ['f16', 'bf16'] : ['f16']).flatMap((precision) =>
        ours(benchCase).map((one) => ({
          ...one,
          name: `${one.name}-${precision}`,
          request: { ...one.request, precision },
          seconds: values.size === 'tiny' ? 600 : 30,
        })),
      );

/**
 * @param {string} name
 * @param {number} seconds
 * @param {readonly Record<string, unknown>[]} variants
 */
const torch = (name, seconds, variants) => ({
  name,
  command: () => [python, join('contenders', 'torch_variants.py')],
  request: { device: values['torch-device'], layout: 'contiguous', compile: false, variants },
  seconds: values.size === 'tiny' ? 600 : seconds,
});

const eager = torch('pytorch-eager', 90, [
  { name: 'pytorch-eager', tf32: false },
  { name: 'pytorch-eager-tf32', tf32: true },
]);

const channelsLast = torch('pytorch-eager-channels-last', 90, [
  { name: 'pytorch-eager-channels-last', tf32: false, layout: 'channels-last' },
  { name: 'pytorch-eager-channels-last-tf32', tf32: true, layout: 'channels-last' },
]);

/** PyTorch with autocast, and with the whole step in a CUDA graph, both for training. */
const autocast = torch('pytorch-autocast', 60, [
  { name: 'pytorch-autocast-bf16', tf32: false, autocast: 'bfloat16' },
  { name: 'pytorch-autocast-f16', tf32: false, autocast: 'float16' },
]);
const graphs = torch('pytorch-cuda-graph', 60, [
  { name: 'pytorch-cuda-graph', tf32: false, cudaGraph: true },
  { name: 'pytorch-cuda-graph-autocast-bf16', tf32: false, cudaGraph: true, autocast: 'bfloat16' },
]);

/** @param {boolean} tf32 */
const compiled = (tf32) => {
  const name = `pytorch-compile${tf32 ? '-tf32' : ''}`;
  return torch(name, 120, [{ name, tf32, compile: true }]);
};

/** Timings by case and contender, one per round. @type {Map<string, Map<string, Timed[]>>} */
const timings = new Map(timing.map(({ name }) => [name, new Map()]));
/** Reasons for which a contender has no timing. @type {Map<string, Record<string, string>>} */
const failures = new Map(timing.map(({ name }) => [name, {}]));

/** @param {Case} benchCase @param {Contender} contender @param {number} index */
async function time(benchCase, contender, index) {
  const failed = failures.get(benchCase.name) ?? {};
  if (contender.name in failed) return;
  const result = await runPart(`${benchCase.name}, round ${index + 1}, ${contender.name}`, contender, benchCase, {
    steps,
    warmup: 3,
    seconds: 4,
  });
  if (result === undefined) {
    // A contender that has a timing from an earlier round keeps it.
    if (!timings.get(benchCase.name)?.has(contender.name)) failed[contender.name] = report.parts.at(-1)?.failed ?? '';
  } else {
    const { variants } = result;
    for (const [name, timed] of Object.entries(variants ?? { [contender.name]: result })) {
      if ('failed' in timed) failed[name] = timed.failed;
      else {
        const list = timings.get(benchCase.name);
        list?.set(name, [...(list.get(name) ?? []), timed]);
        Object.assign(report.versions, timed.versions);
      }
    }
  }
  report.timing = timing.map((one) =>
    summarizeCase(one, timings.get(one.name) ?? new Map(), failures.get(one.name) ?? {}),
  );
  save();
}

// Rounds take turns, so that changes of clocks and of other load affect all contenders. What takes long to start comes
// after the first round, so that a run that is cut off has a number for each case.
for (let index = 0; index < rounds; index++) {
  if (parts.includes('timing')) {
    for (const benchCase of timing) {
      for (const contender of [...ours(benchCase), eager]) await time(benchCase, contender, index);
    }
  }
  if (index > 0) continue;
  if (parts.includes('profile')) await profile();
  if (parts.includes('waiting')) await waiting();
  if (!parts.includes('variants')) continue;
  for (const benchCase of timing) {
    for (const contender of [...withOptions(benchCase), ...inHalf(benchCase)]) await time(benchCase, contender, index);
  }
  // The tiny sizes have no case to compile.
  for (const benchCase of timing.filter(
    ({ kind, compile }) => kind === 'training' && (compile || values.size === 'tiny'),
  )) {
    for (const contender of [autocast, graphs]) await time(benchCase, contender, index);
  }
  for (const benchCase of timing.filter((one) => !isTransformer(one))) await time(benchCase, channelsLast, index);
  for (const benchCase of timing.filter(({ compile }) => compile)) {
    for (const tf32 of [false, true]) await time(benchCase, compiled(tf32), index);
  }
}

/** The GPU time of operators and shaders, with the faster of our layouts. */
async function profile() {
  for (const benchCase of timing.filter(({ name }) => profiled.includes(name))) {
    const fastest = (/** @type {Contender} */ { name }) =>
      Math.min(...(timings.get(benchCase.name)?.get(name) ?? []).flatMap(({ ms }) => ms));
    const contender = ours(benchCase).reduce((best, one) => (fastest(one) < fastest(best) ? one : best));
    report.profiles[benchCase.name] = (await runPart(
      `profile ${benchCase.name}, ${contender.name}`,
      { ...contender, command: () => [process.execPath, 'profile.mjs'] },
      benchCase,
      { steps: values.size === 'tiny' ? 2 : 5 },
    )) ?? { failed: report.parts.at(-1)?.failed };
    save();
  }
}

/** The fraction of a training step spent waiting for its batch. */
async function waiting() {
  const args = ['--json', '--steps', values.size === 'tiny' ? '4' : '60'];
  const size = values.size === 'tiny' ? ['--images', '64', '--batch', '2'] : ['--images', '20000', '--batch', '128'];
  const idle = {
    name: 'idle',
    seconds: 60,
    request: {},
    command: () => [process.execPath, 'data-wait.mjs', ...args, ...size],
  };
  const real = {
    ...idle,
    name: values.device,
    seconds: values.size === 'tiny' ? 600 : 60,
    command: () => [
      ...idle.command(),
      '--device',
      values.device,
      ...(values.size === 'tiny' ? ['--model', 'tiny'] : []),
    ],
  };
  report.waiting = {};
  for (const contender of [idle, real]) {
    report.waiting[contender.name] = (await runPart(
      `waiting for data, ${contender.name}`,
      contender,
      timing[0],
      {},
    )) ?? {
      failed: report.parts.at(-1)?.failed,
    };
    save();
  }
}

report.finished = true;
save();
memory.stop();
rmSync(scratch, { recursive: true, force: true });

const wrong = report.correctness.filter(({ correct }) => correct !== true);
for (const one of report.timing) {
  console.log(`\n${one.case}`);
  for (const { contender, medianMs, peakDeviceMb } of one.contenders) {
    const ratio = one.relativeThroughput[contender];
    const columns = [
      `${medianMs} ms`,
      peakDeviceMb && `${peakDeviceMb} MiB`,
      ratio && `our throughput is ${ratio} of it`,
    ];
    console.log(`  ${contender.padEnd(34)} ${columns.filter(Boolean).join(', ')}`);
  }
  for (const [contender, reason] of Object.entries(one.failed)) console.log(`  ${contender.padEnd(34)} ${reason}`);
}
console.log(
  `\n${report.correctness.length - wrong.length} of ${report.correctness.length} models correct; results in ${out}`,
);
process.exitCode = wrong.length === 0 ? 0 : 1;
