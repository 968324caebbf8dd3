// The packages of the workspace, and what their READMEs say about installing and using them.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Manifest
 * @property {string} name
 * @property {string} version
 * @property {string} license
 * @property {Record<string, unknown>} exports
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [optionalDependencies]
 * @property {Record<string, string>} [peerDependencies]
 * @property {Record<string, { optional?: boolean }>} [peerDependenciesMeta]
 */

/**
 * @typedef {object} Package
 * @property {string} name `core` for `@dm/core`
 * @property {Manifest} manifest
 * @property {string} folder
 */

/**
 * Every package of a workspace, by name.
 *
 * @param {string} workspace path of its root
 * @returns {Map<string, Package>}
 */
export function allPackages(workspace) {
  const home = join(workspace, 'packages');
  /** @type {Map<string, Package>} */
  const found = new Map();
  for (const name of readdirSync(home)) {
    const folder = join(home, name);
    if (!existsSync(join(folder, 'package.json'))) continue;
    const manifest = /** @type {Manifest} */ (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
    found.set(name, { name, manifest, folder });
  }
  return found;
}

/**
 * Whether a package has code to import, unlike those that contain ONNX Runtime's library.
 *
 * @param {Package} one
 */
export function hasCode({ manifest }) {
  return '.' in manifest.exports;
}

/**
 * A package and its direct and indirect dependencies in the workspace, for all platforms.
 *
 * @param {string} name
 * @param {ReadonlyMap<string, Package>} all
 * @returns {Package[]}
 */
export function withOwnDependencies(name, all) {
  /** @type {Set<Package>} */
  const found = new Set();
  /** @param {string} each */
  const visit = (each) => {
    const one = all.get(each);
    if (!one) throw new Error(`no package ${each}`);
    if (found.has(one)) return;
    found.add(one);
    for (const other of Object.keys({ ...one.manifest.dependencies, ...one.manifest.optionalDependencies })) {
      if (other.startsWith('@dm/')) visit(other.slice('@dm/'.length));
    }
  };
  visit(name);
  return [...found];
}

/**
 * The peer dependencies of these packages that are not optional.
 *
 * @param {readonly Package[]} packages
 * @returns {Record<string, string>} name → range of versions
 */
export function requiredPeers(packages) {
  /** @type {Record<string, string>} */
  const peers = {};
  for (const { manifest } of packages) {
    for (const [peer, range] of Object.entries(manifest.peerDependencies ?? {})) {
      if (!manifest.peerDependenciesMeta?.[peer]?.optional) peers[peer] = range;
    }
  }
  return peers;
}

/**
 * What a README tells its readers to install: the arguments of its lines that begin with `npm install`, and the package
 * itself.
 *
 * @param {string} readme
 * @param {string} name of the package, for example `@dm/core`
 * @returns {string[]} for example `['@dm/core', '@tensorflow/tfjs-core']`
 */
export function installedByReader(readme, name) {
  const lines = [...readme.matchAll(/^npm install ([^#\n]+)/gm)].map(([, names = '']) => names.trim().split(/\s+/));
  return [...new Set([name, ...lines.flat()])];
}

/**
 * The first TypeScript example of a README.
 *
 * @param {string} readme
 * @returns {string}
 */
export function firstExample(readme) {
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1];
  if (example === undefined) throw new Error('the README has no TypeScript example');
  return example;
}
