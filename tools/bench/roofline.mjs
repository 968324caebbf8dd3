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
import { withMeasured } from './roofline-results.mjs';
import { writeRooflineTable } from './roofline-table.mjs';
import { runContender } from './run-contender.mjs';
import { requireSameWork, summarize } from './summary.mjs';

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

/** The rates of each program. */
async function measureRates() {
  return {
    dm: await ask('rates', [process.execPath, 'contenders/rates.mjs'], { seconds: 1 }),
    pytorch: await ask('torch rates', [python, 'contenders/torch_rates.py'], { seconds: 1 }),
  };
}

const out = join(import.meta.dirname, 'results/roofline.json');
const run = { cores: cpus().length, rounds, steps, load: Number(loadavg()[0].toFixed(1)) };
const machine = { cpu: thisProcessor(), threads };
const names = cases.map(({ name }) => name);
const rates = await measureRates();
for (const benchCase of wanted) {
  const measured = await measure(benchCase);
  console.log(measured);
  // Saved after each case, so that an interrupted run keeps its finished cases.
  const machines = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')).machines : [];
  const all = withMeasured(machines, machine, rates, [measured], names);
  writeFileSync(out, `${JSON.stringify({ machines: all }, undefined, 2)}\n`);
  writeRooflineTable();
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
    run,
    flops: work.flops,
    bytes: work.bytes,
    dmMs: dm.medianMs,
    dmMinMs: dm.minMs,
    pytorchMs: Math.min(...Object.values(times)),
    pytorchMinMs: Math.min(...Object.values(rivals).map(({ minMs }) => minMs)),
    othersBusy,
  };
}
