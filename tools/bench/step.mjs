// Times training steps and sampling with this project's engine, PyTorch, and TensorFlow.js. Contenders run in separate
// processes, one after another, in several rounds, so that other load on the machine affects all of them equally. See
// README.md.
//
//   nx run bench:step
//   nx run bench:step --cases dit-s-4-32x32x3-batch-16 --rounds 3
//   nx run bench:step --against ../before        compares with another commit, checked out and built there
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cases, optimizer } from './cases.mjs';
import { before, contenders } from './contenders.mjs';
import { chosen, chosenCases, count } from './options.mjs';
import { runContender } from './run-contender.mjs';
import { merge, requireSameWork, summarize } from './summary.mjs';
import { writeTable } from './table.mjs';

const here = import.meta.dirname;
const committed = join(here, 'results/step.json');

const { values } = parseArgs({
  options: {
    /** Names from cases.mjs, comma-separated. Default: all that are not `extra`. */
    cases: { type: 'string' },
    /** Names from contenders.mjs, comma-separated: runs only these, and writes no results. */
    contenders: { type: 'string' },
    /** A built checkout of another commit, whose engine is compared with this one. Writes no results. */
    against: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    steps: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '2' },
    /** Time limit for the timed calls of a process: a slow contender makes fewer than `steps`, but at least one. */
    seconds: { type: 'string', default: '6' },
    threads: { type: 'string', default: '2' },
    /** Results of other cases in this file are retained. With the default file, README.md's table is updated too. */
    out: { type: 'string', default: committed },
  },
});

/** @param {'rounds' | 'steps' | 'warmup' | 'seconds' | 'threads'} name @param {number} least */
const numberOf = (name, least) => count(name, values[name], least);

const [rounds, steps, warmup] = [numberOf('rounds', 1), numberOf('steps', 1), numberOf('warmup', 0)];
const [seconds, threads] = [numberOf('seconds', 1), numberOf('threads', 1)];
const wantedCases = chosenCases(values.cases);
const named =
  values.contenders === undefined
    ? contenders.slice(0, values.against === undefined ? undefined : 1)
    : chosen('contenders', values.contenders, contenders);
const wanted = values.against === undefined ? named : [...named, before(resolve(values.against))];

const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30) };

/** The commit that is measured, with a plus sign if packages/ has uncommitted changes; {} outside a checkout. */
function commit() {
  const git = (/** @type {string[]} */ ...args) => spawnSync('git', args, { cwd: here, encoding: 'utf8' });
  const { status, stdout } = git('rev-parse', '--short', 'HEAD');
  const changed = git('status', '--porcelain', '--untracked-files=no', ':/packages').stdout?.trim();
  return status === 0 ? { commit: stdout.trim() + (changed ? '+' : '') } : {};
}

/** @param {import('./cases.mjs').Case} benchCase @param {string} scratch */
async function runCase(benchCase, scratch) {
  /** @type {Map<string, import('./run-contender.mjs').Timed[]>} */
  const timings = new Map();
  /** @type {Record<string, string>} */
  const skipped = {};
  for (let round = 0; round < rounds; round++) {
    for (const contender of wanted.filter(({ name, once }) => !(name in skipped) && !(once && round > 0))) {
      const share = contender.once ? rounds : 1;
      const timing = await runContender(contender, benchCase, {
        optimizer,
        threads,
        scratch,
        warmup,
        steps: share * steps,
        seconds: share * seconds,
      });
      if (typeof timing === 'string') skipped[contender.name] = timing;
      else timings.set(contender.name, [...(timings.get(contender.name) ?? []), timing]);
    }
  }
  requireSameWork(benchCase.name, timings);
  const summaries = Object.fromEntries([...timings].map(([name, list]) => [name, summarize(list)]));
  const { dm: us, ...rivals } = summaries;
  const disturbed = Object.entries(summaries).filter(([, s]) => (s.othersBusy ?? 0) > 0.1);
  if (disturbed.length > 0) {
    const list = disturbed.map(([name, s]) => `${name} ${s.othersBusy}`).join(', ');
    console.warn(`\nThe machine was not idle. Cores used by other programs: ${list}`);
  }
  const versions = Object.assign({}, ...[...timings.values()].flat().map((timing) => timing.versions));
  const parameters = [...timings.values()][0]?.[0]?.parameters;
  const run = { ...commit(), machine, versions, threads, rounds, steps, warmup, seconds };
  return { name: benchCase.name, kind: benchCase.kind, parameters, us, rivals, skipped, run };
}

/** @param {Awaited<ReturnType<typeof runCase>>} result */
function print({ name, parameters, us, rivals, skipped }) {
  console.log(`\n${name}, ${parameters} parameters, ${threads} threads`);
  for (const [contender, s] of Object.entries({ ...(us && { dm: us }), ...rivals })) {
    const ratio = us ? `   dm / this ${(us.medianMs / s.medianMs).toFixed(3)}` : '';
    console.log(
      `  ${contender.padEnd(28)} median ${String(s.medianMs).padStart(8)} ms ` +
        `(min ${s.minMs}, quartiles ${s.q1Ms} to ${s.q3Ms}, n = ${s.samples})   ` +
        `first ${s.firstMs} ms   peak ${s.peakMb} MiB${ratio}`,
    );
  }
  if (us?.compileMs !== undefined && us.javascript !== undefined) {
    const part = (100 * us.javascript).toFixed(2);
    console.log(`  dm compiles in ${us.compileMs} ms; ${part}% of a call is spent outside ONNX Runtime, in JavaScript`);
  }
  for (const [contender, reason] of Object.entries(skipped))
    console.log(`  ${contender.padEnd(28)} skipped: ${reason}`);
}

const scratch = mkdtempSync(join(tmpdir(), 'dm-bench-'));
try {
  for (const benchCase of wantedCases) {
    const result = await runCase(benchCase, scratch);
    print(result);
    if (values.contenders !== undefined || values.against !== undefined) continue;
    // Saved after each case, so that an interrupted run keeps its finished cases.
    const out = resolve(values.out);
    const old = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')).cases : [];
    const names = cases.map(({ name }) => name);
    const all = merge(old, [result], names);
    const versions = Object.assign({}, ...all.map(({ run }) => run?.versions));
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, `${JSON.stringify({ machine, versions, cases: all }, undefined, 2)}\n`);
    if (out === committed) writeTable();
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
