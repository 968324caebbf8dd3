// Each package as a user gets it: its tarball installed by npm in an empty project outside the workspace, with the
// tarballs of its own @dm dependencies and its required peers and nothing else; then imported and typechecked.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allPackages, requiredPeers, tarballOf, withOwnDependencies } from './packages.js';

const execute = promisify(execFile);
const packages = allPackages();
/** TypeScript 5.6, the oldest that the packages promise to work with. */
const tsc = resolve(import.meta.dirname, 'node_modules/typescript-oldest/bin/tsc');
/** Native modules that a package may bring along, by the start of their names; the others are plain JavaScript. */
const native: Readonly<Record<string, readonly string[]>> = {
  data: ['sharp', '@img/sharp'],
  eval: ['sharp', '@img/sharp'],
  jit: ['@koromix/koffi'],
  trainer: ['sharp', '@img/sharp', 'onnxruntime-node', '@koromix/koffi'],
};

async function run(program: string, args: readonly string[], cwd: string) {
  // npm hands its settings to what it starts as variables; the empty project has to be installed without them.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle)_|^NODE_/.test(name)),
  );
  // ONNX Runtime's install script would fetch CUDA's files from outside the npm registry.
  env['ONNXRUNTIME_NODE_INSTALL'] = 'skip';
  try {
    return (await execute(program, [...args], { cwd, env, maxBuffer: 1 << 26, shell: process.platform === 'win32' }))
      .stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

/** What a user writes, and the compiler options, on each module system. */
const systems = {
  node16: { files: ['use.mts', 'use.cts'], module: 'node16' },
  bundler: { files: ['use.ts'], module: 'esnext' },
};

describe.each([...packages.keys()])('@dm/%s alone', (name) => {
  const own = withOwnDependencies(name, packages);
  const project = mkdtempSync(join(tmpdir(), `alone-${name}-`));
  let files: string[] = [];

  beforeAll(async () => {
    const dependencies = {
      ...requiredPeers(own),
      ...Object.fromEntries(own.map((one) => [one.manifest.name, `file:${tarballOf(one)}`])),
    };
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ name: 'alone', version: '1.0.0', private: true, dependencies }),
    );
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], project);
    files = readdirSync(join(project, 'node_modules'), { recursive: true, encoding: 'utf8' });
  }, 300_000);

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

  it('gives the same names to import and to require', async () => {
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

  // oxlint-disable-next-line vitest/expect-expect -- the compiler judges; `run` throws what it says
  it.each(Object.entries(systems))(
    'has types for TypeScript 5.6 (%s)',
    async (moduleResolution, { files: uses, module }) => {
      // Types that are not found are `any`, which the first constant refuses.
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
