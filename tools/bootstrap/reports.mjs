// Sums vitest's JSON reports, one per project. Nx restores them with cached results, so those are counted too.
import { existsSync, readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

/**
 * @typedef {object} Tally
 * @property {number} passed
 * @property {number} failed tests that failed, and test files that could not be loaded
 * @property {number} skipped
 * @property {string[]} failures one line per failure
 */

/**
 * @typedef {object} VitestReport the fields of vitest's JSON report that are used here
 * @property {boolean} success
 * @property {{ name: string, status: string, message?: string,
 *   assertionResults: { status: string, fullName: string }[] }[]} testResults
 */

/**
 * Counts one report.
 *
 * @param {VitestReport} report
 * @param {string} from path of the report, to name failures outside tests
 * @returns {Tally}
 */
export function tally(report, from) {
  /** @type {Tally} */
  const sum = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const file of report.testResults) {
    const failedBefore = sum.failed;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') sum.passed += 1;
      else if (test.status === 'failed') {
        sum.failed += 1;
        sum.failures.push(`${file.name}: ${test.fullName}`);
      } else sum.skipped += 1;
    }
    // A file that could not be loaded, or whose hooks failed, has no failed test.
    if (file.status === 'failed' && sum.failed === failedBefore) {
      sum.failed += 1;
      sum.failures.push(`${file.name}: ${file.message?.split('\n')[0] || 'could not be run'}`);
    }
  }
  // An error outside tests, for example an unhandled rejection.
  if (!report.success && sum.failed === 0) {
    sum.failed += 1;
    sum.failures.push(`${from}: an error outside the tests, or no tests; see the output above`);
  }
  return sum;
}

/**
 * Sums the reports of several projects. A missing or unreadable report counts as one failure, since its project did not
 * run.
 *
 * @param {readonly string[]} paths
 * @returns {Tally}
 */
export function sumReports(paths) {
  /** @type {Tally} */
  const total = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const path of paths) {
    /** @type {Tally} */
    let one;
    try {
      if (!existsSync(path)) throw new Error('no test report');
      one = tally(JSON.parse(readFileSync(path, 'utf8')), path);
    } catch (error) {
      one = {
        passed: 0,
        failed: 1,
        skipped: 0,
        failures: [`${path}: ${String(error)}`],
      };
    }
    total.passed += one.passed;
    total.failed += one.failed;
    total.skipped += one.skipped;
    total.failures.push(...one.failures);
  }
  return total;
}

const MAX_LINES = 60;

/**
 * The last lines of the output of each task that Nx names as failed, for a log of which only the end can be read.
 *
 * @param {string} output of `nx run-many --output-style=static`
 * @returns {{ task: string, lines: string[] }[]}
 */
export function failedTasks(output) {
  const lines = stripVTControlCharacters(output).split('\n');
  /** @type {Map<string, string[]>} */
  const outputs = new Map();
  /** @type {string[]} */
  let current = [];
  for (const line of lines) {
    const task = /^> nx run (\S+)/.exec(line)?.[1];
    if (task !== undefined) outputs.set(task, (current = []));
    current.push(line);
  }
  const start = lines.findLastIndex((line) => line.trim() === 'Failed tasks:');
  if (start < 0) return [];
  return lines
    .slice(start)
    .map((line) => /^\s*- (\S+:\S+)$/.exec(line)?.[1])
    .filter((task) => task !== undefined)
    .map((task) => ({ task, lines: (outputs.get(task) ?? []).slice(-MAX_LINES) }));
}

/**
 * The last line of `npm test`.
 *
 * @param {Tally} total
 * @returns {string}
 */
export function lastLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
