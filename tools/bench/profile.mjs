// The time of each case by classes of operators. `nx run bench:profile`. See README.md.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cases, optimizer } from './cases.mjs';
import { chosenCases, count } from './options.mjs';
import { thisProcessor } from './processor.mjs';
import { writeProfileTables } from './profile-table.mjs';
import { runContender } from './run-contender.mjs';
import { merge } from './summary.mjs';

const { values } = parseArgs({
  options: {
    /** Names from cases.mjs, comma-separated. Default: all that are not `extra`. */
    cases: { type: 'string' },
    calls: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
  },
});
const [calls, threads] = [count('calls', values.calls, 1), count('threads', values.threads, 1)];
const wanted = chosenCases(values.cases);

const out = join(import.meta.dirname, 'results/profile.json');
const cpu = thisProcessor();
/** The results of all processors. @type {import('./profile-table.mjs').Profiled[]} */
const machines = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')).machines : [];
const order = cases.map(({ name }) => name);
let measured = machines.find(({ run }) => run.cpu === cpu)?.cases ?? [];
for (const benchCase of wanted) {
  const folder = mkdtempSync(join(tmpdir(), 'dm-profile-'));
  try {
    const program = {
      name: 'profile',
      command: () => [process.execPath, 'contenders/profile.mjs'],
      request: { calls, folder },
      seconds: 600,
    };
    const answer = /** @type {any} */ (await runContender(program, benchCase, { threads, scratch: '', optimizer }));
    if (typeof answer === 'string') throw new Error(`${benchCase.name}: ${answer}`);
    const { ms, classes, othersBusy } = answer;
    measured = merge(measured, [{ name: benchCase.name, calls, threads, ms, classes, othersBusy }], order);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  // Saved after each case, so that an interrupted run keeps its finished cases.
  const own = { run: { cpu, cores: cpus().length }, cases: measured };
  const others = machines.filter(({ run }) => run.cpu !== cpu);
  writeFileSync(out, `${JSON.stringify({ machines: [...others, own] }, undefined, 2)}\n`);
  writeProfileTables();
}
