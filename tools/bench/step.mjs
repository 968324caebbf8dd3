// Times one training step, ours beside its rivals': each contender in a process of its own, in turn, over several
// rounds, so that what else the machine does falls on all of them alike. Prints a table and writes results/step.json.
//
//   nx run bench:step              rounds, steps and threads: node step.mjs --rounds 3 --steps 5 --threads 2
//
// PyTorch is looked for as `python3` (or DM_PYTHON), diffusers as an installed package (or in DIFFUSERS_SRC). A rival
// that is not installed is named as skipped.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { cases, optimizer } from './cases.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
  },
});
const [rounds, steps, warmup, threads] = [values.rounds, values.steps, values.warmup, values.threads].map(Number);

const here = new URL('.', import.meta.url);
const python = process.env.DM_PYTHON ?? 'python3';
/** @typedef {{ ms: number[], peakMb: number, parameters: number, compileMs?: number, versions: Record<string, unknown> }} Timing */
/** @type {{ name: string, command: string[], request?: Record<string, unknown> }[]} */
const contenders = [
  { name: 'dm', command: [process.execPath, 'contenders/dm.mjs'] },
  {
    name: 'pytorch-eager-contiguous',
    command: [python, 'contenders/torch_eager.py'],
    request: { layout: 'contiguous' },
  },
  {
    name: 'pytorch-eager-channels-last',
    command: [python, 'contenders/torch_eager.py'],
    request: { layout: 'channels-last' },
  },
];

/** @param {number[]} numbers */
const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/**
 * @param {(typeof contenders)[number]} contender
 * @param {(typeof cases)[number]} benchCase
 * @returns {Timing | string} the timing, or why there is none
 */
function run(contender, benchCase) {
  const [command, ...args] = contender.command;
  const input = JSON.stringify({ case: benchCase, optimizer, threads, warmup, steps, ...contender.request });
  const result = spawnSync(command, args, { cwd: here, input, encoding: 'utf8' });
  if (result.error !== undefined) return result.error.message;
  if (result.status === 3) return result.stderr.trim();
  if (result.status !== 0) throw new Error(`${contender.name} failed:\n${result.stderr}`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '');
}

/** @param {Timing[]} timings */
function summary(timings) {
  const ms = timings.flatMap((t) => t.ms);
  const round = (/** @type {number} */ x) => Number(x.toFixed(1));
  const compileMs = timings.flatMap((t) => (t.compileMs === undefined ? [] : [t.compileMs]));
  return {
    medianMs: round(median(ms)),
    minMs: round(Math.min(...ms)),
    maxMs: round(Math.max(...ms)),
    samples: ms.length,
    peakMb: round(Math.max(...timings.map((t) => t.peakMb))),
    ...(compileMs.length > 0 && { compileMs: round(median(compileMs)) }),
  };
}

const results = [];
/** @type {Record<string, unknown>} */
const versions = {};
for (const benchCase of cases) {
  /** @type {Map<string, Timing[]>} */
  const timings = new Map();
  /** @type {Record<string, string>} */
  const skipped = {};
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders.filter(({ name }) => !(name in skipped))) {
      const timing = run(contender, benchCase);
      if (typeof timing === 'string') {
        skipped[contender.name] = timing;
        console.log(`${contender.name}: skipped, ${timing}`);
        continue;
      }
      timings.set(contender.name, [...(timings.get(contender.name) ?? []), timing]);
      Object.assign(versions, timing.versions);
    }
  }
  const parameters = [...timings.values()].map(([first]) => first?.parameters);
  if (new Set(parameters).size > 1)
    throw new Error(`${benchCase.name}: models differ, parameters ${parameters.join(', ')}`);
  const ours = summary(timings.get('dm') ?? []);
  const rivals = Object.fromEntries(
    [...timings].filter(([name]) => name !== 'dm').map(([name, list]) => [name, summary(list)]),
  );
  results.push({ name: benchCase.name, parameters: parameters[0], us: ours, rivals, skipped });
  console.log(`\n${benchCase.name}, ${parameters[0]} parameters, ${threads} threads`);
  for (const [name, s] of Object.entries({ dm: ours, ...rivals })) {
    const ratio = ours.medianMs / s.medianMs;
    console.log(
      `  ${name.padEnd(30)} median ${String(s.medianMs).padStart(7)} ms (${s.minMs} to ${s.maxMs})   ` +
        `peak ${s.peakMb} MB   dm / this ${ratio.toFixed(2)}`,
    );
  }
}

const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30) };
mkdirSync(new URL('results/', here), { recursive: true });
writeFileSync(
  new URL('results/step.json', here),
  `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine, versions, rounds, steps, threads, cases: results }, null, 2)}\n`,
);
