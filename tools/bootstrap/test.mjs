// `npm test`: installs the dependencies, checks and builds everything, and runs the tests that take minutes: unit
// tests, conformance, smoke runs. `npm run test:long` runs the others: the experiments at their smallest, whole
// programs, exact resume, hostile inputs, packed installs. `npm run test:all` runs both. The last line is
// `N passed, N failed` over all tests; a failed step without tests (format, lint, ...) adds one failure.
import './require-node.mjs';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { nx, root } from './commands.mjs';
import { failedTasks, lastLine, sumReports } from './reports.mjs';
import { install } from './set-up.mjs';

/**
 * One invocation of Nx.
 *
 * @typedef {object} Step
 * @property {string[]} targets
 * @property {string[]} [reports] those targets that write vitest's report `reports/<target>.json` in each project
 * @property {boolean} [alone] runs one project at a time, since each uses all cores
 */

/** @type {Readonly<Record<string, readonly Step[]>>} */
const parts = {
  short: [
    { targets: ['format', 'boundaries', 'unused', 'lint', 'typecheck', 'build'] },
    { targets: ['test'], reports: ['test'] },
    { targets: ['smoke'], reports: ['smoke'] },
  ],
  long: [
    { targets: ['experiment'], alone: true },
    { targets: ['check-package'] },
    { targets: ['test-long'], reports: ['test-long'], alone: true },
    { targets: ['browser'], reports: ['browser'], alone: true },
  ],
};

// As in the target `exact-resume`: runs die by SIGKILL instead of in the test's own process.
process.env['DM_EXACT_RESUME'] ??= 'kill';
// Run by name, `browser` fails without a Chromium.
process.env['DM_BROWSER'] ??= 'optional';

const started = Date.now();
/** @type {string[]} */
const failedSteps = [];
/** @type {ReturnType<typeof failedTasks>} */
const failed = [];

/**
 * @param {string} name
 * @param {() => Promise<boolean>} work
 */
async function step(name, work) {
  const start = Date.now();
  console.log(`\n=== ${name}`);
  const passed = await work();
  if (!passed) failedSteps.push(name);
  console.log(`=== ${name}: ${passed ? 'passed' : 'FAILED'} in ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return passed;
}

/** @returns {Promise<{ root: string, targets: Record<string, unknown> }[]>} */
async function projects() {
  const { status, output } = await nx(['graph', '--print'], { quiet: true });
  if (status !== 0) throw new Error(`nx could not list the projects:\n${output}`);
  /** @type {Record<string, { data: { root: string, targets: Record<string, unknown> } }>} */
  const nodes = JSON.parse(output).graph.nodes;
  return Object.values(nodes).map(({ data }) => data);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => parts[name] === undefined);
if (wanted.length === 0 || unknown !== undefined) {
  throw new Error(`unknown part "${unknown ?? ''}"; there are ${Object.keys(parts).join(' and ')}`);
}

const total = { passed: 0, failed: 0, skipped: 0, failures: /** @type {string[]} */ ([]) };
if (await step('install', install)) {
  const all = await projects();
  for (const { targets, reports = [], alone = false } of wanted.flatMap((name) => parts[name] ?? [])) {
    const name = targets.join(', ');
    const paths = all.flatMap((project) =>
      reports
        .filter((target) => target in project.targets)
        .map((target) => join(root, project.root, 'reports', `${target}.json`)),
    );
    // Reports of earlier runs must not be counted if a project writes none; Nx restores the reports of cached results.
    for (const path of paths) rmSync(path, { force: true });
    const passed = await step(name, async () => {
      const flags = ['--output-style=static', ...(alone ? ['--parallel=1'] : [])];
      const { status, output } = await nx(['run-many', '-t', ...targets, ...flags], { tee: true });
      if (status !== 0) failed.push(...failedTasks(output));
      return status === 0;
    });
    const tests = sumReports(paths);
    // Failed tests are counted individually, so the step is not counted as well.
    if (!passed && tests.failed > 0) failedSteps.pop();
    total.passed += tests.passed;
    total.failed += tests.failed;
    total.skipped += tests.skipped;
    total.failures.push(...tests.failures);
  }
}
for (const { task, lines } of failed) console.log(`\nfailed: the end of ${task}:\n${lines.join('\n')}`);
for (const failure of total.failures) console.log(`failed: ${failure}`);
for (const name of failedSteps) console.log(`failed: step ${name}`);
console.log(`\nAll of it took ${((Date.now() - started) / 1000).toFixed(0)} s.`);
console.log(lastLine({ ...total, failed: total.failed + failedSteps.length }));
process.exitCode = total.failed + failedSteps.length > 0 ? 1 : 0;
