// Does what the release does, in a copy of the workspace: sets the versions and publishes every package, both with
// changesets.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { commandOf, root } from '../bootstrap/commands.mjs';
import { allPackages, hasCode } from './packages.mjs';
import { cleanEnvironment, run } from './processes.mjs';

/** @import { Package } from './packages.mjs' */
/** @import { Registry } from './registry.mjs' */

/**
 * Copies the workspace as it is now, uncommitted changes included, with its history (the changelogs name commits) and
 * the built packages.
 *
 * @param {string} copy folder to create
 * @param {NodeJS.ProcessEnv} env
 */
export async function copyWorkspace(copy, env) {
  /** @param {string[]} args */
  const git = (...args) => run('git', args, { cwd: root, env });
  const list = async (/** @type {string[]} */ ...args) =>
    (await git(...args, '-z')).stdout.split('\0').filter((path) => path !== '');
  await git('clone', '--quiet', '--shared', root, copy);
  const changed = await list('diff', '--name-only', '--no-renames', 'HEAD');
  for (const path of [...changed, ...(await list('ls-files', '--others', '--exclude-standard'))]) {
    const target = join(copy, path);
    if (existsSync(join(root, path))) {
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(root, path), target);
    } else {
      rmSync(target, { force: true });
    }
  }
  for (const { name, folder } of [...allPackages(root).values()].filter(hasCode)) {
    cpSync(join(folder, 'dist'), join(copy, 'packages', name, 'dist'), { recursive: true });
  }
}

/**
 * Sets the versions and writes the changelogs, as the release does.
 *
 * @param {string} copy of the workspace
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Map<string, Package>>} the packages with their new versions
 */
export async function setVersions(copy, env) {
  const before = allPackages(copy);
  const pending = readdirSync(join(copy, '.changeset')).filter((file) => file.endsWith('.md') && file !== 'README.md');
  if (pending.length > 0)
    await run(process.execPath, [commandOf('@changesets/cli', 'changeset'), 'version'], { cwd: copy, env });
  const after = allPackages(copy);
  for (const [name, { folder, manifest }] of after) {
    if (manifest.version === '0.0.0') throw new Error(`@dm/${name} has no version: no changeset names it`);
    if (manifest.version === before.get(name)?.manifest.version) continue;
    const changelog = readFileSync(join(folder, 'CHANGELOG.md'), 'utf8');
    if (!changelog.includes(`\n## ${manifest.version}\n`))
      throw new Error(`${folder}/CHANGELOG.md lacks ${manifest.version}`);
  }
  return after;
}

/**
 * Publishes every package with `changeset publish`, which runs `pnpm publish` in each.
 *
 * @param {string} copy of the workspace, with its dependencies installed
 * @param {Registry} registry
 * @param {string} bin folder with the command pnpm
 */
export async function publish(copy, { url, token }, bin) {
  const settings = `@dm:registry=${url}\n${url.replace(/^http:/, '')}:_authToken=${token}\n`;
  writeFileSync(join(copy, '.npmrc'), settings);
  // The folder of the user's own settings could name another registry for the scope.
  const env = cleanEnvironment({ 'npm_config_@dm:registry': url, npm_config_userconfig: join(copy, '.npmrc') }, [bin]);
  await run(process.execPath, [commandOf('@changesets/cli', 'changeset'), 'publish', '--no-git-tag'], {
    cwd: copy,
    env,
  });
}

/**
 * Downloads the published tarballs to packages/<name>/tarball and checks them with tools/checks/check-package.mjs.
 *
 * @param {ReadonlyMap<string, Package>} packages of the copy
 * @param {Registry} registry
 * @param {string} copy
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ name: string, bytes: number }[]>} sizes of the tarballs
 */
export async function checkPublished(packages, { url }, copy, env) {
  /** @type {{ name: string, bytes: number }[]} */
  const sizes = [];
  for (const { name, folder, manifest } of packages.values()) {
    const response = await fetch(`${url}${manifest.name}/-/${name}-${manifest.version}.tgz`);
    if (!response.ok) throw new Error(`${manifest.name} ${manifest.version} was not published (${response.status})`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    mkdirSync(join(folder, 'tarball'), { recursive: true });
    writeFileSync(join(folder, 'tarball', `${name}.tgz`), bytes);
    sizes.push({ name, bytes: bytes.byteLength });
    await run(process.execPath, [join(copy, 'tools/checks/check-package.mjs')], { cwd: folder, env });
  }
  return sizes;
}
