// What the rehearsal runs and the workspace does not need otherwise: the registry, package managers, compilers, and
// other versions of Node. npm installs it, in these versions.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npm, pnpm, yarn } from './managers.mjs';
import { run } from './processes.mjs';

/** @import { Manager } from './managers.mjs' */

/** The last 6.x that runs on Node 20. */
const VERDACCIO = '6.8.0';
/** The oldest TypeScript that can use the types of the packages. */
const OLDEST_TYPESCRIPT = '5.6.3';
/** Each version of Node with the major version of npm that it comes with. */
const NODES = [
  { node: '20.20.2', npm: '10.8.2' },
  { node: '22.23.3', npm: '10.9.9' },
  { node: '24.21.0', npm: '11.21.2' },
  { node: '26.10.0', npm: '11.21.2' },
];
const YARN = '4.18.1';

/**
 * @typedef {object} Setting one column of the matrix
 * @property {string} node version
 * @property {string} program path of Node
 * @property {string[]} path folders with the command `node` and the commands of the package manager
 * @property {Manager} manager
 */

/**
 * @typedef {object} Toolbox
 * @property {string} verdaccio path of its script
 * @property {string} pnpmBin folder with the command pnpm
 * @property {{ version: string, script: string }[]} compilers TypeScript, oldest first
 * @property {Setting[]} settings
 */

/**
 * @param {string} folder
 * @param {Record<string, string>} dependencies name → version, or `npm:name@version`
 * @param {NodeJS.ProcessEnv} env
 */
async function install(folder, dependencies, env) {
  mkdirSync(folder, { recursive: true });
  // Verdaccio's dependencies name a node-fetch that needs Node 22.
  const overrides = 'verdaccio' in dependencies ? { 'node-fetch': '2.7.0' } : {};
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }));
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    env,
  });
}

/**
 * @param {string} folder of an installed package
 * @returns {{ version: string, bin: string | Record<string, string> }}
 */
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/**
 * @param {string} folder
 * @param {object} options
 * @param {boolean} options.full every package manager and version of Node, else this Node and its npm
 * @param {string} options.pnpmVersion of the workspace
 * @param {NodeJS.ProcessEnv} options.env
 * @returns {Promise<Toolbox>}
 */
export async function fillToolbox(folder, { full, pnpmVersion, env }) {
  const dependencies = {
    verdaccio: VERDACCIO,
    pnpm: pnpmVersion,
    'typescript-oldest': `npm:typescript@${OLDEST_TYPESCRIPT}`,
    'typescript-latest': 'npm:typescript@latest',
  };
  await install(folder, full ? { ...dependencies, '@yarnpkg/cli-dist': YARN } : dependencies, env);
  const modules = join(folder, 'node_modules');
  const bin = join(modules, '.bin');
  const compilers = ['typescript-oldest', 'typescript-latest'].map((name) => ({
    version: manifestOf(join(modules, name)).version,
    script: join(modules, name, 'bin/tsc'),
  }));
  /** @type {Setting[]} */
  const settings = [];
  if (!full) {
    const version = (await run('npm', ['--version'], { cwd: folder, env })).stdout.trim();
    const script = (await run('npm', ['root', '--global'], { cwd: folder, env })).stdout.trim();
    const manager = npm(version, join(script, 'npm/bin/npm-cli.js'));
    settings.push({ node: process.versions.node, program: process.execPath, path: [], manager });
  }
  for (const { node, npm: npmVersion } of full ? NODES : []) {
    const own = join(folder, `node-${node}`);
    await install(own, { node, npm: npmVersion }, env);
    const program = join(own, 'node_modules/node/bin/node');
    const path = [join(own, 'node_modules/node/bin'), bin];
    for (const manager of [
      npm(npmVersion, join(own, 'node_modules/npm/bin/npm-cli.js')),
      pnpm(pnpmVersion, join(modules, 'pnpm/bin/pnpm.cjs')),
      yarn(YARN, join(modules, '@yarnpkg/cli-dist/bin/yarn.js')),
    ]) {
      settings.push({ node, program, path, manager });
    }
  }
  return { verdaccio: join(modules, 'verdaccio/bin/verdaccio'), pnpmBin: bin, compilers, settings };
}
