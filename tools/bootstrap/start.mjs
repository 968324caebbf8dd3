// `npm start`: installs, builds, and trains the preset `mnist-fast`. Arguments after `npm start --` are passed to `dm
// train`; the preset is not chosen for other data, another configuration, or a run that exists.
import './require-node.mjs';
import { join } from 'node:path';
import { root, run } from './commands.mjs';
import { build, install } from './set-up.mjs';

console.log(`Installs the dependencies, builds the packages, and trains a diffusion model on images.
The first two take a few minutes the first time, then seconds. Training shows how long it will take.
`);
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
const given = process.argv.slice(2);
const choices = ['--preset', '--config', '--data', '--resume', '--extend', '--help', '-h'];
const isChosen = given.some((arg) => choices.includes(arg.split('=')[0] ?? arg));
const preset = isChosen ? [] : ['--preset', 'mnist-fast'];
const { status } = await run(process.execPath, [cli, 'train', ...preset, ...given]);
if (status === 0) console.log('\nIn this folder, run `dm` as `npm run -s dm --`, for example: npm run -s dm -- doctor');
process.exitCode = status;
