// How time and memory of a training step grow with batch, image side, width, depth, sequence length, parameters, steps,
// and data. Writes results/scaling.json, results/scaling.svg, and the table of docs/engine.md. `nx run bench:scaling`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lineSpec, plotSvg } from '@dm/trainer';
import { optimizer } from './cases.mjs';
import { runContender } from './run-contender.mjs';
import { axes, dataAxis, stepAxis } from './scaling-axes.mjs';
import { busiest, withAxes } from './scaling-results.mjs';
import { writeScalingTable } from './scaling-table.mjs';
import { quantile } from './summary.mjs';

const all = [...axes.map(({ name }) => name), stepAxis.name, dataAxis.name];
const { values } = parseArgs({
  options: {
    /** Names of axes, comma-separated. Default: all. The results file retains the others. */
    axes: { type: 'string', default: all.join(',') },
    /** Processes per point, in turn. */
    rounds: { type: 'string', default: '2' },
    /** Timed steps per process. */
    steps: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
  },
});
const wanted = values.axes.split(',');
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) throw new RangeError(`--axes: unknown ${unknown.join(', ')}; must be one of ${all.join(', ')}`);
const [rounds, steps, threads] = [values.rounds, values.steps, values.threads].map(Number);
for (const count of [rounds, steps, threads]) {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`counts must be integers >= 1, got ${count}`);
}

/**
 * Runs contenders/<program> in a process.
 *
 * @param {string} program
 * @param {Record<string, unknown>} request
 * @param {object} benchCase
 */
async function ask(program, request, benchCase = {}) {
  const contender = {
    name: program,
    command: () => [process.execPath, `contenders/${program}`],
    request,
    seconds: 300,
  };
  const one = /** @type {import('./cases.mjs').Case} */ ({ name: program, kind: 'training', ...benchCase });
  const answer = /** @type {unknown} */ (
    await runContender(contender, one, { threads, scratch: '', optimizer, warmup: 1, steps, seconds: 4 })
  );
  if (typeof answer === 'string') throw new Error(`${program}: ${answer}`);
  return /** @type {any} */ (answer);
}

/** Peak memory of a process without a model worth mentioning, in MiB. */
async function baseMemory() {
  const config = { ...axes[3].caseOf(1).config, hidden_size: 8, num_heads: 1, depth: 1, input_size: 2 };
  return (await ask('scaling.mjs', {}, { model: 'DiT', batch: 1, config })).peakMb;
}

const out = join(import.meta.dirname, 'results/scaling.json');
const load = loadavg()[0];
const digits = (/** @type {number} */ value) => Number(value.toPrecision(4));
const baseMb = await baseMemory();
/** How an axis was measured. @param {readonly { othersBusy?: number }[]} answers of its processes */
const runOf = (answers) => ({
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  threads,
  rounds,
  steps,
  load: Number(load.toFixed(1)),
  othersBusy: busiest(answers),
  baseMb: digits(baseMb),
});
/** @type {import('./scaling-table.mjs').AxisResult[]} */
const measured = [];
for (const axis of axes.filter(({ name }) => wanted.includes(name))) {
  // In rounds over all sizes, so that other load on the machine affects all of them.
  /** @type {Map<number, any[]>} */
  const answers = new Map(axis.sizes.map((size) => [size, []]));
  for (let round = 0; round < rounds; round++) {
    for (const size of axis.sizes) answers.get(size)?.push(await ask('scaling.mjs', {}, axis.caseOf(size)));
  }
  const points = axis.sizes.map((size) => {
    const list = answers.get(size) ?? [];
    const times = list.flatMap(({ ms }) => ms);
    return {
      size,
      ms: digits(quantile(times, 0.5)),
      minMs: digits(quantile(times, 0)),
      mb: digits(
        Math.max(
          0.1,
          quantile(
            list.map(({ peakMb }) => peakMb),
            0.5,
          ) - baseMb,
        ),
      ),
      parameters: list[0].parameters,
      flops: list[0].flops,
    };
  });
  const run = runOf([...answers.values()].flat());
  measured.push({ name: axis.name, expected: axis.expected, memory: axis.memory, run, points });
  console.log(axis.name, points);
}
if (wanted.includes(stepAxis.name)) {
  const small = axes[0].caseOf(4);
  /** @type {any[]} */
  const answers = [];
  for (const size of stepAxis.sizes) {
    answers.push({ size, ...(await ask('scaling.mjs', { steps: size, seconds: 200 }, small)) });
  }
  const points = answers.map(({ size, total, peakMb, parameters, flops }) => {
    return { size, ms: digits(total), minMs: digits(total), mb: digits(peakMb - baseMb), parameters, flops };
  });
  measured.push({ name: stepAxis.name, expected: stepAxis.expected, memory: 0, run: runOf(answers), points });
  console.log(stepAxis.name, points);
}
if (wanted.includes(dataAxis.name)) {
  /** @type {{ size: number, orderMs: number, batchMs: number, othersBusy?: number }[]} */
  const answers = [];
  for (const size of dataAxis.sizes) {
    answers.push({ size, ...(await ask('scaling-data.mjs', { images: size, batch: 64, batches: 100 })) });
  }
  const point = (/** @type {'orderMs' | 'batchMs'} */ key) =>
    answers.map((one) => ({ size: one.size, ms: digits(one[key]), minMs: digits(one[key]) }));
  const run = runOf(answers);
  measured.push({ name: `${dataAxis.name}: a batch of 64`, expected: 0, run, points: point('batchMs') });
  measured.push({ name: `${dataAxis.name}: order of an epoch`, expected: 1, run, points: point('orderMs') });
  console.log(answers);
}

/** @type {import('./scaling-table.mjs').Scaling} */
const old = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')) : { axes: [] };
const results = withAxes(old, measured, all);
writeFileSync(out, `${JSON.stringify(results, undefined, 1)}\n`);
const plot = await plotSvg(
  lineSpec({
    title: 'Time of a training step, relative to the smallest size',
    x: { title: 'size, relative to the smallest', scale: 'log' },
    y: { title: 'time, relative to the smallest', scale: 'log' },
    series: results.axes
      .filter(({ points }) => points[0].flops !== undefined)
      .map(({ name, points }) => ({
        name,
        x: points.map(({ size }) => size / points[0].size),
        y: points.map(({ ms }) => ms / points[0].ms),
      })),
  }),
);
writeFileSync(join(import.meta.dirname, 'results/scaling.svg'), plot);
writeScalingTable();
