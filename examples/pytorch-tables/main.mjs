// Writes the tables with `dm`, then trains in PyTorch: `node main.mjs`. DM_PYTHON is the Python; default: python3.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const steps = process.argv.includes('--smoke') ? 300 : 3000;
const python = process.env['DM_PYTHON'] ?? 'python3';

/** @param {string} program @param {readonly string[]} args */
function run(program, ...args) {
  const { status } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (spawnSync(python, ['-c', 'import numpy, torch']).status !== 0) {
  console.error(`SKIPPED: ${python} has no NumPy and PyTorch; set DM_PYTHON to a Python that has both.`);
  process.exit(0);
}
mkdirSync('runs', { recursive: true });
const dm = file('node_modules/@dm/trainer/dist/cli.js');
run(process.execPath, dm, 'curriculum', 'table', '--schedule', 'clts', '--steps', `${steps}`, '--out', 'runs/clts.npz');
run(process.execPath, dm, 'optim', 'table', '--lr', '2e-3', '--steps', `${steps}`, '--out', 'runs/mdlrc.npz');
run(python, file('train.py'), `${steps}`);
