// The time that the products and the memory traffic of each case need at the best rates of this machine, next to
// measured times of this project and of PyTorch eager. `nx run bench:roofline`. See README.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cases, optimizer } from './cases.mjs';
import { contenders } from './contenders.mjs';
import { chosenCases, count } from './options.mjs';
import { thisProcessor } from './processor.mjs';
import { writeRooflineTable } from './roofline-table.mjs';
import { runContender } from './run-contender.mjs';
import { merge, requireSameWork, summarize } from './summary.mjs';
import { rooflineMs } from './work.mjs';

const { values } = parseArgs({
  options: {
    /** Names from cases.mjs, comma-separated. Default: all that are not `extra`. */
    cases: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
  },
});
const [rounds, steps] = [count('rounds', values.rounds, 1), count('steps', values.steps, 1)];
const threads = count('threads', values.threads, 1);
const wanted = chosenCases(values.cases);

const settings = { threads, scratch: '', optimizer, warmup: 1, steps, seconds: 6 };
const [ours, contiguous, channelsLast] = contenders;
const python = contiguous.command('training')[0];

/** Runs one program of contenders/. @param {string} name @param {string[]} command @param {Record<string, unknown>} request */
async function ask(name, command, request) {
  const program = { name, command: () => command, request, seconds: 300 };
  const benchCase = /** @type {import('./cases.mjs').Case} */ (request.case ?? wanted[0]);
  const answer = /** @type {unknown} */ (await runContender(program, benchCase, settings));
  if (typeof answer === 'string') throw new Error(`${name}: ${answer}`);
  return /** @type {any} */ (answer);
}

/** The rates of each program. Rates of the same processor in the results file count if they are better. */
async function measureRates() {
  return {
    dm: await ask('rates', [process.execPath, 'contenders/rates.mjs'], { seconds: 1 }),
    pytorch: await ask('torch rates', [python, 'contenders/torch_rates.py'], { seconds: 1 }),
  };
}

/** The larger value of each entry. @param {any} a @param {any} b @returns {any} */
const better = (a, b) =>
  typeof a === 'number'
    ? Number(Math.max(a, b).toFixed(1))
    : Object.fromEntries(Object.keys(a).map((key) => [key, better(a[key], b[key])]));

const out = join(import.meta.dirname, 'results/roofline.json');
const load = loadavg()[0];
const cpu = thisProcessor();
/** The results of all processors. @type {import('./roofline-table.mjs').Roofline[]} */
const machines = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')).machines : [];
/** @type {any} */
const old = machines.find(({ run }) => run.cpu === cpu) ?? { cases: [] };
const fresh = await measureRates();
const rates = better(old.rates ?? fresh, fresh);
const run = { cpu, cores: cpus().length, threads, rounds, steps, load: Number(load.toFixed(1)) };
for (const benchCase of wanted) {
  const measured = await measure(benchCase);
  console.log(measured);
  // Saved after each case, so that an interrupted run keeps its finished cases.
  old.cases = merge(
    old.cases,
    [measured],
    cases.map(({ name }) => name),
  );
  save(old.cases);
}

/** Counts and times one case. @param {import('./cases.mjs').Case} benchCase */
async function measure(benchCase) {
  const work = await ask('work', [process.execPath, 'contenders/work.mjs'], { case: benchCase });
  /** @type {Map<string, import('./run-contender.mjs').Timed[]>} */
  const timings = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const contender of [ours, contiguous, channelsLast]) {
      const timing = await runContender(contender, benchCase, settings);
      if (typeof timing !== 'string') timings.set(contender.name, [...(timings.get(contender.name) ?? []), timing]);
      else if (contender !== channelsLast) throw new Error(`${contender.name}: ${timing}`);
    }
  }
  requireSameWork(benchCase.name, timings);
  const summaries = Object.fromEntries([...timings].map(([name, list]) => [name, summarize(list)]));
  const { dm, ...rivals } = summaries;
  const times = Object.fromEntries(Object.entries(rivals).map(([name, { medianMs }]) => [name, medianMs]));
  const othersBusy = Math.max(...Object.values(summaries).map((summary) => summary.othersBusy ?? 0));
  return {
    name: benchCase.name,
    flops: work.flops,
    bytes: work.bytes,
    dmMs: dm.medianMs,
    dmMinMs: dm.minMs,
    pytorchMs: Math.min(...Object.values(times)),
    pytorchMinMs: Math.min(...Object.values(rivals).map(({ minMs }) => minMs)),
    othersBusy,
  };
}

/** The best rate of a kind. @param {any[]} list Rates of programs. @param {'products' | 'copies'} kind */
function best(list, kind) {
  // A copy of 16 MiB: the size of an activation, which is partly in the cache.
  return Math.max(...list.flatMap((one) => (kind === 'copies' ? one.copies[16] : Object.values(one.products))));
}

/** Writes all cases, with the times that follow from the rates. @param {any[]} measured */
function save(measured) {
  const ratesOf = (/** @type {any[]} */ list) => ({ gflops: best(list, 'products'), gbytes: best(list, 'copies') });
  const machineRates = ratesOf(Object.values(rates));
  const round = (/** @type {number} */ ms) => Number(ms.toFixed(2));
  const results = measured.map((one) => {
    const { productMs, trafficMs, rooflineMs: total } = rooflineMs(one, machineRates);
    return {
      ...one,
      productMs: round(productMs),
      trafficMs: round(trafficMs),
      rooflineMs: round(total),
      engineRooflineMs: round(rooflineMs(one, ratesOf([rates.dm])).rooflineMs),
    };
  });
  const own = { run, rates, machineRates, cases: results };
  const isKnown = machines.some((machine) => machine.run.cpu === cpu);
  const all = isKnown ? machines.map((machine) => (machine.run.cpu === cpu ? own : machine)) : [...machines, own];
  writeFileSync(out, `${JSON.stringify({ machines: all }, undefined, 2)}\n`);
  writeRooflineTable();
}
