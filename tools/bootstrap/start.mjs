// `npm start`: set up, then train the default preset. What follows `npm start --` goes to `dm train`.
import './require-node.mjs';
import { join } from 'node:path';
import { root, run } from './commands.mjs';
import { build, install } from './set-up.mjs';

console.log('Setting up: dependencies');
if (!(await install())) {
  console.error('The dependencies could not be installed; see the message above.');
  process.exit(1);
}
console.log('Setting up: build');
if (!(await build())) {
  console.error('The build failed; see the message above.');
  process.exit(1);
}
const cli = join(root, 'packages', 'trainer', 'dist', 'cli.js');
const { status } = await run(process.execPath, [cli, 'train', ...process.argv.slice(2)]);
if (status === 0) console.log('\nIn this folder `dm` is written `npm run -s dm --`, as in: npm run -s dm -- doctor');
process.exitCode = status;
