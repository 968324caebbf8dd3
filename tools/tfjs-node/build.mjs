// Builds the addon of @tensorflow/tfjs-node against a libtensorflow that you have, where its install script cannot
// download one or has none for your platform. Linux only; needs npm, a C++ compiler, make and Python 3 (for node-gyp).
//
//   python3 -m venv ~/tf && ~/tf/bin/pip install tensorflow-cpu
//   DM_PYTHON=~/tf/bin/python node tools/tfjs-node/build.mjs
//   DM_TFJS_NODE=$PWD/tools/tfjs-node/build/node_modules/@tensorflow/tfjs-node npm start -- --engine tfjs-node
//
//   --libtensorflow <folder>  the TensorFlow package of a Python: `include/`, `libtensorflow_cc.so.2` and
//                             `libtensorflow_framework.so.2`. Default: where DM_PYTHON, a Python, finds `tensorflow`.
//   --into <folder>           where the npm package goes. Default: tools/tfjs-node/build, which git ignores.
//   --nodedir <folder>        Node's headers (`include/node/node_api.h` below it). Default: node-gyp downloads them.
//
// The addon links to the libraries where they lie, so they must stay there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const version = '4.22.0'; // of tfjs-core in this workspace: both share one engine

/** Link that the addon is linked with → the wheel's file, which is also the name that the loader looks for. */
const libraries = {
  'libtensorflow.so': 'libtensorflow_cc.so.2',
  'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
};

/** A failure that is told without a stack. */
class Missing extends Error {}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} purpose
 * @param {string} [cwd]
 */
function run(program, args, purpose, cwd) {
  const { status, error } = spawnSync(program, args, { cwd, stdio: 'inherit' });
  if (error) throw new Missing(`${purpose}: "${program}" cannot be run (${error.message})`);
  if (status !== 0) throw new Missing(`${purpose} failed; ${program} says above why`);
}

/**
 * The folder of the Python package `tensorflow`, without importing it, which takes seconds.
 *
 * @param {string | undefined} python
 */
function findTensorflow(python) {
  if (!python) {
    throw new Missing('no libtensorflow: give --libtensorflow <folder>, or DM_PYTHON, a Python that has tensorflow');
  }
  const find = 'import importlib.util as u; print(u.find_spec("tensorflow").submodule_search_locations[0])';
  const { status, stdout } = spawnSync(python, ['-c', find], { encoding: 'utf8' });
  if (status !== 0) {
    throw new Missing(`DM_PYTHON, ${python}, has no tensorflow: "${python} -m pip install tensorflow-cpu"`);
  }
  return stdout.trim();
}

/** @param {string} folder */
function checkTensorflow(folder) {
  const absent = [...Object.values(libraries), 'include/tensorflow/c/c_api.h', 'include/tensorflow/c/eager/c_api.h'] //
    .filter((path) => !existsSync(join(folder, path)));
  if (absent.length > 0) {
    throw new Missing(
      `${folder} lacks ${absent.join(', ')}; --libtensorflow is the folder "tensorflow" in a Python's site-packages`,
    );
  }
}

/**
 * Makes a folder with the npm package in it, whose install script, the download, is not run.
 *
 * @param {string} into
 */
function install(into) {
  mkdirSync(into, { recursive: true });
  // npm puts its own node-gyp on the path of a script.
  const scripts = { addon: 'node-gyp rebuild' };
  writeFileSync(join(into, 'package.json'), `${JSON.stringify({ private: true, scripts }, undefined, 2)}\n`);
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error'];
  run('npm', ['install', ...options, `@tensorflow/tfjs-node@${version}`], 'Installing tfjs-node', into);
}

/**
 * Lays the headers and libraries where tfjs-node's binding.gyp looks.
 *
 * @param {string} home of the npm package
 * @param {string} tensorflow
 */
function link(home, tensorflow) {
  const deps = join(home, 'deps');
  rmSync(deps, { recursive: true, force: true });
  mkdirSync(join(deps, 'lib'), { recursive: true });
  symlinkSync(join(tensorflow, 'include'), join(deps, 'include'));
  for (const [name, file] of Object.entries(libraries)) {
    for (const alias of [name, file]) symlinkSync(join(tensorflow, file), join(deps, 'lib', alias));
  }
}

/** Run in a process of its own, from the package's folder: a library that does not fit may end the process. */
const smokeTest = `
  const util = require('node:util');
  util.isNullOrUndefined ??= (value) => value == null; // Node 23 and later
  const tf = require(process.argv[1]);
  const [x, w] = [tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]), tf.tensor4d([1, 10, 100, 1000], [2, 2, 1, 1])];
  const gradient = tf.grad((f) => tf.conv2d(x, f, 1, 'valid').sum())(w);
  const values = [...tf.conv2d(x, w, 1, 'valid').dataSync(), ...gradient.dataSync()].join();
  if (tf.getBackend() !== 'tensorflow' || values !== '4321,1,2,3,4') throw new Error(tf.getBackend() + ': ' + values);
  console.log('libtensorflow ' + tf.backend().binding.TF_Version + ' works');
`;

function main() {
  const { values } = parseArgs({
    options: { libtensorflow: { type: 'string' }, into: { type: 'string' }, nodedir: { type: 'string' } },
  });
  if (process.platform !== 'linux') throw new Missing(`this script knows Linux's libraries, not ${process.platform}'s`);
  const tensorflow = resolve(values.libtensorflow ?? findTensorflow(process.env['DM_PYTHON']));
  checkTensorflow(tensorflow);
  if (values.nodedir !== undefined && !existsSync(join(values.nodedir, 'include/node/node_api.h'))) {
    throw new Missing(`--nodedir ${values.nodedir} has no include/node/node_api.h`);
  }
  const into = values.into === undefined ? fileURLToPath(new URL('build', import.meta.url)) : resolve(values.into);
  const home = join(into, 'node_modules/@tensorflow/tfjs-node');

  install(into);
  link(home, tensorflow);
  const gyp = [
    `--directory=${home}`,
    '--napi_build_version=8',
    '--module_name=tfjs_binding',
    `--module_path=${join(home, 'lib/napi-v8')}`,
    ...(values.nodedir === undefined ? [] : [`--nodedir=${resolve(values.nodedir)}`]),
  ];
  run('npm', ['run', 'addon', '--loglevel=error', '--', ...gyp], 'Building the addon', into);
  run(process.execPath, ['-e', smokeTest, home], 'The smoke test of the addon');
  console.log(`\nThe engine tfjs-node uses it where this variable is set:\n  export DM_TFJS_NODE=${home}`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
