// `npm test`: set up, then check everything. Ends with one line, `N passed, N failed`, over all tests; a step without
// tests (format, lint, ...) that fails adds one failure.
import './require-node.mjs';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { nx, root } from './commands.mjs';
import { lastLine, sumReports } from './reports.mjs';
import { install } from './set-up.mjs';

/** Nx targets without tests, in the order in which a person wants to hear of a mistake. */
const STEPS = ['format', 'boundaries', 'unused', 'lint', 'typecheck', 'build', 'check-package'];

/** The experiments at their smallest, through what was built: they must still run from end to end. */
const SMOKE = 'experiment';

const started = Date.now();
/** @type {string[]} */
const failedSteps = [];

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

/**
 * @param {string} target
 * @param {...string} flags
 */
async function everywhere(target, ...flags) {
  return (await nx(['run-many', '-t', target, '--output-style=static', ...flags])).status === 0;
}

/** Where each project with tests leaves its report. */
async function reportPaths() {
  const { status, output } = await nx(['graph', '--print'], { quiet: true });
  if (status !== 0) throw new Error(`nx could not list the projects:\n${output}`);
  /** @type {Record<string, { data: { root: string, targets: Record<string, unknown> } }>} */
  const nodes = JSON.parse(output).graph.nodes;
  return Object.values(nodes)
    .filter(({ data }) => 'test' in data.targets)
    .map(({ data }) => join(root, data.root, 'reports', 'vitest.json'));
}

let total = { passed: 0, failed: 0, skipped: 0, failures: /** @type {string[]} */ ([]) };
if (await step('install', install)) {
  for (const name of STEPS) await step(name, () => everywhere(name));
  const reports = await reportPaths();
  // A report of an earlier run must not stand in for one that was not written; Nx restores those of cached results.
  for (const path of reports) rmSync(path, { force: true });
  // One at a time: each uses every core.
  await step(SMOKE, () => everywhere(SMOKE, '--parallel=1'));
  // One project at a time: vitest already uses every core, and ONNX Runtime's threads would fight for them.
  const passed = await step('test', () => everywhere('test', '--parallel=1'));
  total = sumReports(reports);
  if (!passed && total.failed > 0) failedSteps.splice(failedSteps.indexOf('test'), 1);
}
for (const failure of total.failures) console.log(`failed: ${failure}`);
for (const name of failedSteps) console.log(`failed: step ${name}`);
console.log(`\nAll of it took ${((Date.now() - started) / 1000).toFixed(0)} s.`);
console.log(lastLine({ ...total, failed: total.failed + failedSteps.length }));
process.exitCode = total.failed + failedSteps.length > 0 ? 1 : 0;
