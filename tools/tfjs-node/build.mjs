// Builds the native addon of @tensorflow/tfjs-node against an existing libtensorflow, if its install script cannot
// download one or has none for your platform. Linux only; needs npm, a C++ compiler, make, and Python 3 (for node-gyp).
//
//   python3 -m venv ~/tf && ~/tf/bin/pip install tensorflow-cpu
//   DM_PYTHON=~/tf/bin/python node tools/tfjs-node/build.mjs
//   DM_TFJS_NODE=$PWD/tools/tfjs-node/build/node_modules/@tensorflow/tfjs-node npm start -- --engine tfjs-node
//
//   --libtensorflow <folder>  Python's `tensorflow` package, with `include/`, `libtensorflow_cc.so.2`, and
//                             `libtensorflow_framework.so.2`. Default: the one that the Python in DM_PYTHON finds.
//   --into <folder>           destination of the npm package. Default: tools/tfjs-node/build, which git ignores.
//   --nodedir <folder>        Node's headers, with `include/node/node_api.h`. Default: node-gyp downloads them.
//
// The addon is linked to the libraries in place, so do not move or delete them.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const version = '4.22.0'; // the workspace's version of tfjs-core, since both share one engine

/** Name for the linker → file in the wheel, whose name the loader uses. */
const libraries = {
  'libtensorflow.so': 'libtensorflow_cc.so.2',
  'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
};

/** An error that is reported without a stack trace. */
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
  if (status !== 0) throw new Missing(`${purpose} failed; see the output of ${program} above`);
}

/**
 * The folder of the Python package `tensorflow`. Does not import it, which would take seconds.
 *
 * @param {string | undefined} python
 */
function findTensorflow(python) {
  if (!python) {
    throw new Missing(
      'libtensorflow not found: pass --libtensorflow <folder>, or set DM_PYTHON to a Python with tensorflow',
    );
  }
  const find = 'import importlib.util as u; print(u.find_spec("tensorflow").submodule_search_locations[0])';
  const { status, stdout } = spawnSync(python, ['-c', find], { encoding: 'utf8' });
  if (status !== 0) {
    throw new Missing(
      `the Python in DM_PYTHON (${python}) has no tensorflow; run "${python} -m pip install tensorflow-cpu"`,
    );
  }
  return stdout.trim();
}

/** @param {string} folder */
function checkTensorflow(folder) {
  const absent = [...Object.values(libraries), 'include/tensorflow/c/c_api.h', 'include/tensorflow/c/eager/c_api.h'] //
    .filter((path) => !existsSync(join(folder, path)));
  if (absent.length > 0) {
    throw new Missing(
      `${folder} does not contain ${absent.join(', ')}; pass the folder "tensorflow" in Python's site-packages as --libtensorflow`,
    );
  }
}

/**
 * Installs the npm package without running its install script, which would download libtensorflow.
 *
 * @param {string} into
 */
function install(into) {
  mkdirSync(into, { recursive: true });
  // npm adds its copy of node-gyp to the PATH of scripts.
  const scripts = { addon: 'node-gyp rebuild' };
  writeFileSync(join(into, 'package.json'), `${JSON.stringify({ private: true, scripts }, undefined, 2)}\n`);
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error'];
  run('npm', ['install', ...options, `@tensorflow/tfjs-node@${version}`], 'Installing tfjs-node', into);
}

/**
 * Links the headers and libraries into the folder in which tfjs-node's binding.gyp looks for them.
 *
 * @param {string} home the folder of the npm package
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

/** Run in a separate process, since an incompatible library may crash it. */
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
  if (process.platform !== 'linux') throw new Missing(`this script supports Linux only, not ${process.platform}`);
  const tensorflow = resolve(values.libtensorflow ?? findTensorflow(process.env['DM_PYTHON']));
  checkTensorflow(tensorflow);
  if (values.nodedir !== undefined && !existsSync(join(values.nodedir, 'include/node/node_api.h'))) {
    throw new Missing(`--nodedir ${values.nodedir} does not contain include/node/node_api.h`);
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
  console.log(`\nTo use it with the engine tfjs-node, set:\n  export DM_TFJS_NODE=${home}`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
