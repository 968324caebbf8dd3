// Builds the kit of the device check: dist/device-check.tar.xz, which runs on a bare Linux x64 machine. See README.md.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;
const root = join(here, '../..');
const bench = join(here, '../bench');
const folder = join(here, 'dist/device-check');
const archive = `${folder}.tar.xz`;
const { env } = process;

if (process.platform !== 'linux' || process.arch !== 'x64') {
  throw new Error(
    `the kit contains this machine's Node and libraries, and is for Linux x64, not ${process.platform} ${process.arch}`,
  );
}

/** @param {string} command @param {string[]} args */
const output = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', cwd: root }).trim();

rmSync(join(here, 'dist'), { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

// Our programs, from the built packages. sharp decodes image files, of which the check has none.
await build({
  entryPoints: {
    check: join(here, 'check.mjs'),
    correctness: join(here, 'correctness.mjs'),
    profile: join(here, 'profile.mjs'),
    'data-wait': join(bench, 'data-wait.mjs'),
    'contenders/train': join(bench, 'contenders/train.mjs'),
    'contenders/sample': join(bench, 'contenders/sample.mjs'),
  },
  outdir: join(folder, 'bench'),
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['koffi', 'onnxruntime-node', 'onnxruntime-web', 'detect-libc', 'inspector/promises'],
  // CommonJS packages call require.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  plugins: [
    {
      name: 'without sharp',
      setup(builder) {
        builder.onResolve({ filter: /^sharp$/ }, () => ({ path: 'sharp', namespace: 'missing' }));
        builder.onLoad({ filter: /.*/, namespace: 'missing' }, () => ({
          contents: 'export default function sharp() { throw new Error("this kit cannot decode image files"); }',
        }));
      },
    },
  ],
  logLevel: 'error',
});

// PyTorch's side: the programs of tools/bench, and the reference models if this machine has them.
for (const name of [
  'formula',
  'repeat',
  'torch_device',
  'torch_models',
  'torch_sample',
  'torch_step',
  'torch_train',
  'torch_variants',
]) {
  copyFileSync(join(bench, 'contenders', `${name}.py`), join(folder, 'bench/contenders', `${name}.py`));
}
mkdirSync(join(folder, 'parity'));
for (const name of ['closed_formula.py', 'reference_import.py']) {
  copyFileSync(join(here, '../parity', name), join(folder, 'parity', name));
}
const diffusers = findDiffusers();
if (diffusers !== undefined) {
  cpSync(diffusers, join(folder, 'python/diffusers'), {
    recursive: true,
    filter: (path) => basename(path) !== '__pycache__',
  });
}
const dit = env['DIT_SRC'] === undefined ? undefined : join(env['DIT_SRC'], 'models.py');
if (dit !== undefined) {
  mkdirSync(join(folder, 'dit'));
  copyFileSync(dit, join(folder, 'dit/models.py'));
}

// Libraries.
const jit = createRequire(join(root, 'packages/jit/package.json'));
const koffi = packageFolder(jit, 'koffi');
for (const [name, source] of [
  ['koffi', koffi],
  ['@koromix/koffi-linux-x64', packageFolder(createRequire(join(koffi, 'index.js')), '@koromix/koffi-linux-x64')],
  ['detect-libc', packageFolder(jit, 'detect-libc')],
]) {
  const needless = ['node_modules', 'doc', 'vendor', 'musl_x64'].map((part) => join(source, part));
  cpSync(source, join(folder, 'node_modules', name), { recursive: true, filter: (path) => !needless.includes(path) });
}
const runtime = dirname(jit.resolve('onnxruntime-node/package.json'));
const runtimeVersion = jit('onnxruntime-node/package.json').version;
const library = join(folder, 'node_modules/@dm/onnxruntime-linux-x64');
mkdirSync(join(library, 'lib'), { recursive: true });
copyFileSync(join(root, 'packages/onnxruntime-linux-x64/package.json'), join(library, 'package.json'));
copyFileSync(join(runtime, 'bin/napi-v6/linux/x64/libonnxruntime.so.1'), join(library, 'lib/libonnxruntime.so.1'));
for (const name of ['LICENSE', 'ThirdPartyNotices.txt']) {
  copyFileSync(join(here, '../onnxruntime', name), join(library, name));
}
mkdirSync(join(folder, 'libraries'));
for (const [name, source] of systemLibraries()) copyFileSync(source, join(folder, 'libraries', name));

// Node, without its symbols.
copyFileSync(process.execPath, join(folder, 'node'));
chmodSync(join(folder, 'node'), 0o755);
output('strip', join(folder, 'node'));

copyFileSync(join(here, 'run.sh'), join(folder, 'run.sh'));
chmodSync(join(folder, 'run.sh'), 0o755);
writeFileSync(
  join(folder, 'kit.json'),
  `${JSON.stringify(
    {
      commit:
        output('git', 'rev-parse', '--short', 'HEAD') + (output('git', 'status', '--porcelain') === '' ? '' : '+'),
      onnxruntime: runtimeVersion,
      node: process.version,
      diffusers: diffusers !== undefined,
      dit: dit !== undefined,
    },
    undefined,
    2,
  )}\n`,
);

execFileSync('tar', ['-cJf', archive, '-C', dirname(folder), basename(folder)], { env: { ...env, XZ_OPT: '-2 -T0' } });
const mib = (/** @type {number} */ bytes) => (bytes / 2 ** 20).toFixed(1);
const size = statSync(archive).size;
const tracked = output('git', 'ls-files', '-z')
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)))
  .reduce((bytes, path) => bytes + statSync(join(root, path)).size, 0);
/** What can be sent to a machine in one piece. */
const limit = 64 * 2 ** 20;
console.log(
  `${archive}: ${mib(size)} MiB, ${mib(size + tracked)} MiB with the repository's files (limit ${mib(limit)})`,
);
if (diffusers === undefined)
  console.warn('without diffusers: PyTorch cannot be timed; set DIFFUSERS_SRC, or DM_PYTHON to a Python that has it');
if (dit === undefined)
  console.warn('without facebookresearch/DiT: its models cannot be timed in PyTorch; set DIT_SRC to a checkout');
if (size + tracked > limit) {
  console.error('The archive and the repository are larger than the limit.');
  process.exitCode = 1;
}

/** The folder of diffusers: of DIFFUSERS_SRC, or the installed one. */
function findDiffusers() {
  if (env['DIFFUSERS_SRC'] !== undefined) return join(env['DIFFUSERS_SRC'], 'diffusers');
  const code = 'import importlib.util as u; print(u.find_spec("diffusers").submodule_search_locations[0])';
  const { status, stdout } = spawnSync(env['DM_PYTHON'] ?? 'python3', ['-c', code], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** The folder of an installed package. @param {NodeJS.Require} from @param {string} name */
function packageFolder(from, name) {
  const found = (from.resolve.paths(name) ?? []).map((path) => join(path, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`the package ${name} is not installed`);
  return realpathSync(found);
}

/**
 * This machine's Vulkan loader, and what NVIDIA's driver needs and a machine without a display may lack.
 *
 * @returns {[string, string][]}
 */
function systemLibraries() {
  const folders = ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib'];
  const glvnd = ['libEGL.so.1', 'libGLX.so.0', 'libGLdispatch.so.0', 'libGL.so.1', 'libGLESv2.so.2', 'libOpenGL.so.0'];
  const x11 = [
    'libX11.so.6',
    'libXext.so.6',
    'libxcb.so.1',
    'libXau.so.6',
    'libXdmcp.so.6',
    'libbsd.so.0',
    'libmd.so.0',
  ];
  return ['libvulkan.so.1', ...glvnd, ...x11].flatMap((name) => {
    const found = folders.map((place) => join(place, name)).find((path) => existsSync(path));
    if (found !== undefined) return [/** @type {[string, string]} */ ([name, realpathSync(found)])];
    if (name === 'libvulkan.so.1') throw new Error(`no Vulkan loader in ${folders.join(', ')}. Install libvulkan1.`);
    console.warn(`without ${name}, which is not installed here; a card's driver may need it`);
    return [];
  });
}
