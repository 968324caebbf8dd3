// `npm run build`, `npm run lint`, `npm run test:unit`, `npm run docs`, and so on: installs the dependencies and runs
// one tool on the whole workspace. Arguments after `--` are passed to the tool, for example `npm run test:unit -- packages/core`.
import './require-node.mjs';
import { commandOf, run } from './commands.mjs';
import { install } from './set-up.mjs';

/** @type {Readonly<Record<string, readonly [tool: string, ...args: string[]]>>} */
const tasks = {
  build: ['nx', 'run-many', '-t', 'build', '--output-style=static'],
  lint: ['oxlint', '--type-aware', '--deny-warnings'],
  'test:unit': ['vitest', 'run'],
  docs: ['nx', 'run', 'docs:serve'],
  'docs:build': ['nx', 'run', 'docs:site'],
  'experiments:next': ['nx', 'run', 'experiment-primary:next'],
  'experiments:status': ['nx', 'run', 'experiment-primary:status'],
  'experiments:report': ['nx', 'run', 'experiments-lib:report', '--output-style=static'],
};

const [name = '', ...more] = process.argv.slice(2);
const task = tasks[name];
if (task === undefined) throw new Error(`Unknown task "${name}"; must be one of ${Object.keys(tasks).join(', ')}.`);
if (await install()) {
  const [tool, ...args] = task;
  process.exitCode = (await run(process.execPath, [commandOf(tool), ...args, ...more])).status;
} else {
  console.error('The dependencies could not be installed; see the message above.');
  process.exitCode = 1;
}
