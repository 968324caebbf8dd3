// `npm run playground`: installs, builds, and serves a web page that trains a diffusion model. With `--emoji` it also
// downloads the emoji (74 MB) for that page. Other arguments are passed to `vite preview`, such as `--port 8080`.
import './require-node.mjs';
import { join } from 'node:path';
import { commandOf, nx, root, run } from './commands.mjs';
import { install } from './set-up.mjs';

const folder = join(root, 'tools', 'playground');
const more = process.argv.slice(2).filter((argument) => argument !== '--emoji');

/**
 * @param {string} failure
 * @param {boolean} isDone
 */
function requireDone(failure, isDone) {
  if (isDone) return;
  console.error(failure);
  process.exit(1);
}

console.log('Setting up: dependencies');
requireDone('The dependencies could not be installed; see the message above.', await install());
if (process.argv.includes('--emoji')) {
  console.log('Setting up: emoji');
  const args = ['install', '--prefix', join(folder, '.cache'), '--no-audit', '--no-fund'];
  const { status } = await run('npm', [...args, 'emoji-datasource-twitter@16.0.0']);
  requireDone('The emoji could not be installed; see the message above.', status === 0);
}
console.log('Setting up: build');
const build = await nx(['run', 'playground:build', '--output-style=static'], { quiet: true });
requireDone(`${build.output}\nThe build failed; see the message above.`, build.status === 0);
console.log('Open the address below in a browser. Ctrl+C ends the server.');
const { status } = await run(process.execPath, [commandOf('vite'), 'preview', ...more], { cwd: folder });
process.exitCode = status;
