// Rehearses the release: sets the versions in a copy of the workspace, publishes all packages to a local registry,
// and uses each of them as its readers do, in an empty project. The last line is `all packages installed and ran`.
//
//   nx run release:rehearse            npm and this version of Node, vite and esbuild, TypeScript 5.6 and latest
//   nx run release:rehearse -c full    npm, pnpm, and yarn on Node 20, 22, 24, and 26
//   nx run release:rehearse -c short   without bundles, the checks of tarballs, and SBOMs; part of npm run test:long
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pnpm, root } from '../bootstrap/commands.mjs';
import { hasCode } from './packages.mjs';
import { cleanEnvironment, run } from './processes.mjs';
import { checkPublished, copyWorkspace, publish, setVersions } from './publish.mjs';
import { startRegistry } from './registry.mjs';
import { fillToolbox } from './toolbox.mjs';
import { usePackage } from './use-package.mjs';

const SCOPES = /** @type {const} */ (['short', 'plain', 'full']);

const { values } = parseArgs({
  options: { scope: { type: 'string', default: 'plain' }, only: { type: 'string' }, manager: { type: 'string' } },
});
const scope = SCOPES.find((each) => each === values.scope);
if (scope === undefined) throw new Error(`--scope ${values.scope}: must be one of ${SCOPES.join(', ')}`);

const reports = join(import.meta.dirname, 'reports');
const sboms = join(reports, 'sbom');
mkdirSync(sboms, { recursive: true });
const work = mkdtempSync(join(tmpdir(), 'dm-rehearsal-'));
const env = cleanEnvironment({});
const started = performance.now();
/** @type {Record<string, number>} */
const seconds = {};

/**
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
async function phase(name, action) {
  const start = performance.now();
  const result = await action();
  seconds[name] = Math.round((performance.now() - start) / 100) / 10;
  console.log(`${name}: ${seconds[name]} s`);
  return result;
}

/** @type {(() => unknown)[]} */
const cleanUp = [() => rmSync(work, { recursive: true, force: true })];
try {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const pnpmVersion = packageManager.replace(/^pnpm@|\+.*$/g, '');
  const others = (await run('npm', ['config', 'get', 'registry'], { cwd: work, env })).stdout.trim();
  const toolbox = await phase('tools', () =>
    fillToolbox(join(work, 'tools'), { full: scope === 'full', pnpmVersion, env }),
  );
  const copy = join(work, 'copy');
  const packages = await phase('versions', async () => {
    await copyWorkspace(copy, env);
    return setVersions(copy, env);
  });
  const registry = await startRegistry(toolbox.verdaccio, join(work, 'registry'));
  cleanUp.unshift(registry.close);
  await phase('publish', async () => {
    const { status, output } = await pnpm(['install', '--frozen-lockfile', '--prefer-offline', '--ignore-scripts'], {
      quiet: true,
      cwd: copy,
    });
    if (status !== 0) throw new Error(`pnpm install in the copy:\n${output}`);
    await publish(copy, registry, toolbox.pnpmBin);
  });
  const names = [...packages.values()].filter(hasCode).map(({ name }) => name);
  const versions = [...new Set([...packages.values()].map(({ manifest }) => manifest.version))];
  console.log(`published ${packages.size} packages, version ${versions.join(', ')}`);
  // Meanwhile the packages are used.
  const checking =
    scope === 'short' ? undefined : phase('tarballs', () => checkPublished(packages, registry, copy, env));
  checking?.catch(() => {}); // awaited below

  /** @type {{ node: string, manager: string, package: string, seconds: number, done: string[], error?: string }[]} */
  const results = [];
  const wanted = names.filter((name) => !values.only || values.only.split(',').includes(name));
  const settings = toolbox.settings.filter(({ manager }) => !values.manager || manager.name === values.manager);
  const jobs = wanted.flatMap((name) => settings.map((setting) => ({ setting, name })));
  const first = settings[0];
  const worker = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      const { setting, name } = job;
      const { manager, node } = setting;
      const start = performance.now();
      // Types and bundles depend on the layout of node_modules, but not on the version of Node.
      const compiles = node === first?.node;
      const sbom =
        setting === first && manager.name === 'npm' && scope !== 'short' ? join(sboms, `${name}.cdx.json`) : undefined;
      /** @type {string[]} */
      let done = [];
      /** @type {string | undefined} */
      let error;
      try {
        done = await usePackage({
          name,
          packages,
          setting,
          registries: { scope: registry.url, others },
          compilers: compiles ? toolbox.compilers : [],
          bundle: compiles && scope !== 'short',
          sbom,
          work,
        });
      } catch (reason) {
        error = reason instanceof Error ? reason.message : String(reason);
      }
      const time = Math.round((performance.now() - start) / 100) / 10;
      const label = `${manager.name} ${manager.version}`;
      results.push({ node, manager: label, package: name, seconds: time, done, ...(error && { error }) });
      console.log(`${label}, Node ${node}, @dm/${name}: ${error ? `FAILED: ${error}` : done.join(', ')} (${time} s)`);
    }
  };
  // Installing waits for disk and network half of the time.
  await phase('use', () => Promise.all([worker(), worker(), worker()]).then(() => undefined));
  const tarballs = (await checking) ?? [];

  const failed = results.filter(({ error }) => error !== undefined).length;
  const summary = {
    scope,
    version: versions.join(', '),
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model ?? 'unknown',
    typescript: toolbox.compilers.map(({ version }) => version),
    minutes: Math.round((performance.now() - started) / 6000) / 10,
    phases: seconds,
    tarballs,
    results,
  };
  writeFileSync(join(reports, `rehearsal-${scope}.json`), `${JSON.stringify(summary, null, 2)}\n`);
  console.log(`${results.length - failed} of ${results.length} uses passed in ${summary.minutes} minutes`);
  console.log(failed === 0 ? 'all packages installed and ran' : `${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  for (const action of cleanUp) await action();
}
