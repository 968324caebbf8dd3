// `npm run check`: checks formatting, lint, types, and import rules of the whole workspace, and runs the unit tests
// closest to the files changed since the branch diverged from its upstream (or since a commit: `npm run check --
// HEAD~3`). Run it before a commit; it takes less than a minute. `npm test` checks everything.
import './require-node.mjs';
import { join } from 'node:path';
import { testsByDistance } from './changed-tests.mjs';
import { commandOf, root, run } from './commands.mjs';
import { install } from './set-up.mjs';

/** No more test files are started after this many seconds. */
const TEST_SECONDS = 20;

/** Test files per vitest process. */
const GROUP = 4;

const formatCache = join(root, 'node_modules', '.cache', 'prettier.json');
const started = Date.now();
const seconds = (since = started) => (Date.now() - since) / 1000;

/**
 * @param {string} dependency
 * @param {readonly string[]} args
 * @param {string} [command]
 */
const tool = (dependency, args, command) =>
  run(process.execPath, [commandOf(dependency, command), ...args], { quiet: true });

/** @type {string[]} */
const failed = [];

/**
 * @param {string} name
 * @param {() => Promise<{ status: number, output: string }>} work
 */
async function step(name, work) {
  const start = Date.now();
  const { status, output } = await work();
  if (status !== 0) {
    failed.push(name);
    console.error(output);
  }
  console.log(`${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${seconds(start).toFixed(1)} s`);
}

/** @param {...string} args */
async function git(...args) {
  const { status, output } = await run('git', args, { quiet: true });
  return status === 0 ? output.trim() : undefined;
}

/** Paths that differ from the merge base with the upstream branch, including untracked files. */
async function changedFiles() {
  const base =
    process.argv[2] ?? (await git('merge-base', 'HEAD', '@{upstream}')) ?? (await git('rev-parse', 'HEAD')) ?? 'HEAD';
  const lists = await Promise.all([
    git('diff', '--name-only', '--no-renames', base),
    git('ls-files', '--others', '--exclude-standard'),
  ]);
  if (lists[0] === undefined) throw new Error(`git found no commit "${base}"`);
  return lists.flatMap((list) => list?.split('\n') ?? []).filter((path) => path !== '');
}

/** @type {import('./changed-tests.mjs').Module[]} */
let modules = [];

async function boundaries() {
  const rules = (/** @type {string} */ config) => ['--config', config, '--output-type'];
  const all = await tool(
    'dependency-cruiser',
    ['packages', 'experiments', 'tools/bootstrap', ...rules('.dependency-cruiser.cjs'), 'json'],
    'depcruise',
  );
  if (all.status !== 0 && !all.output.startsWith('{')) return all;
  const report = JSON.parse(all.output);
  modules = report.modules;
  /** @type {{ rule: { severity: string, name: string }, from: string, to: string, comment?: string }[]} */
  const violations = report.summary.violations;
  const core = await tool(
    'dependency-cruiser',
    [
      ...['step', 'setup', 'config'].map((folder) => `packages/trainer/src/${folder}`),
      ...rules('.dependency-cruiser.browser.cjs'),
      'err',
    ],
    'depcruise',
  );
  const lines = violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
  return {
    status: lines.length > 0 ? 1 : core.status,
    output: [...lines, core.status === 0 ? '' : core.output].join('\n'),
  };
}

async function unitTests() {
  const groups = testsByDistance(modules, await changedFiles());
  const start = Date.now();
  while (groups.length > 0 && seconds(start) < TEST_SECONDS) {
    const files = /** @type {string[]} */ (groups.shift());
    if (files.length > GROUP) groups.unshift(files.splice(GROUP));
    await step(`unit tests (${files.join(', ')})`, () => tool('vitest', ['run', ...files]));
  }
  const left = groups.flat().length;
  if (left > 0) console.log(`${left} more test files import the changed files; npm run test:unit runs them all.`);
}

if (!(await install())) {
  console.error('The dependencies could not be installed; see the message above.');
  process.exit(1);
}
const lanes = [
  async () => {
    await step('types', () => tool('typescript', ['-p', '.'], 'tsc'));
    for (const folder of ['tools/bench', 'tools/playground']) {
      await step(`types of ${folder}`, () => tool('typescript', ['-p', folder], 'tsc'));
    }
  },
  async () => {
    await step('format', () =>
      tool('prettier', [
        '--check',
        '--log-level=warn',
        '--cache',
        '--cache-strategy=content',
        '--cache-location',
        formatCache,
        '.',
      ]),
    );
    await step('boundaries', boundaries);
    await step('lint', () => tool('oxlint', ['--type-aware', '--deny-warnings']));
  },
];
await Promise.all(lanes.map((lane) => lane()));
await unitTests();
for (const name of failed) console.log(`failed: ${name}`);
console.log(`\nAll of it took ${seconds().toFixed(0)} s.`);
process.exitCode = failed.length > 0 ? 1 : 0;
