// The packages of the workspace, their tarballs, and their dependencies.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

export interface Manifest {
  name: string;
  exports: Record<string, unknown>;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

export interface Package {
  /** `core` for `@dm/core`. */
  name: string;
  manifest: Manifest;
  folder: string;
}

const home = resolve(import.meta.dirname, '../../packages');

/** Every package, by name. */
export function allPackages(): Map<string, Package> {
  const found = new Map<string, Package>();
  for (const name of readdirSync(home)) {
    const at = join(home, name);
    if (!existsSync(join(at, 'package.json'))) continue;
    const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Manifest;
    found.set(name, { name, manifest, folder: at });
  }
  return found;
}

/**
 * The path of a package's tarball.
 * @throws {Error} if it was not packed
 */
export function tarballOf({ name, folder }: Package): string {
  const tarballs = existsSync(join(folder, 'tarball')) ? readdirSync(join(folder, 'tarball')) : [];
  if (tarballs.length !== 1) {
    throw new Error(`${folder}/tarball must contain one tarball, found ${tarballs.length}; run nx run ${name}:pack`);
  }
  return join(folder, 'tarball', tarballs[0]!);
}

/** Whether a package has code to import, unlike those that contain ONNX Runtime's library. */
export function hasCode({ manifest }: Package): boolean {
  return '.' in manifest.exports;
}

/** A package and its direct and indirect dependencies in the workspace, for all platforms. */
export function withOwnDependencies(name: string, all: ReadonlyMap<string, Package>): Package[] {
  const found = new Set<Package>();
  const visit = (each: string) => {
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

/** The peer dependencies of these packages that are not optional. */
export function requiredPeers(packages: readonly Package[]): Record<string, string> {
  const peers: Record<string, string> = {};
  for (const { manifest } of packages) {
    for (const [peer, range] of Object.entries(manifest.peerDependencies ?? {})) {
      if (!manifest.peerDependenciesMeta?.[peer]?.optional) peers[peer] = range;
    }
  }
  return peers;
}
