// npm, pnpm, and yarn: how a user of each installs, inspects, and removes a package.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Manager
 * @property {'npm' | 'pnpm' | 'yarn'} name
 * @property {string} version
 * @property {string} script run with Node
 * @property {(project: string, registry: string, others: string) => void} configure writes the settings of an empty
 *   project: the registry of the scope `@dm`, and the one of all others
 * @property {(packages: readonly string[]) => string[]} add arguments
 * @property {(packages: readonly string[]) => string[]} remove arguments
 * @property {string[]} [verify] arguments of a command that fails if a dependency or peer dependency is missing or has
 *   the wrong version
 * @property {RegExp} complaint matches a warning that a user should not see
 * @property {boolean} installsPeers whether a user need not name peer dependencies
 */

/**
 * @param {string} version
 * @param {string} script
 * @returns {Manager}
 */
export function npm(version, script) {
  return {
    name: 'npm',
    version,
    script,
    configure: (project, registry) => writeFileSync(join(project, '.npmrc'), `@dm:registry=${registry}\n`),
    add: (packages) => ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-update-notifier', ...packages],
    remove: (packages) => ['uninstall', '--no-audit', '--no-fund', '--no-update-notifier', ...packages],
    verify: ['ls', '--all'],
    // Only packages of others are deprecated. koffi's install script, which npm 11 does not run, is for platforms
    // without a prebuilt library. "Unknown config" is about the user's own settings.
    complaint: /^npm (?:warn|error) (?!deprecated|install-scripts|Unknown (?:\w+ )?config).*/im,
    installsPeers: true,
  };
}

/**
 * @param {string} version
 * @param {string} script
 * @returns {Manager}
 */
export function pnpm(version, script) {
  return {
    name: 'pnpm',
    version,
    script,
    configure: (project, registry) =>
      writeFileSync(join(project, '.npmrc'), `@dm:registry=${registry}\nstrict-peer-dependencies=true\n`),
    add: (packages) => ['add', '--prefer-offline', '--reporter=append-only', ...packages],
    remove: (packages) => ['remove', '--reporter=append-only', ...packages],
    complaint: /^.*(?:WARN|Issues with peer|missing peer|unmet peer)(?!.*deprecated).*/m,
    installsPeers: true,
  };
}

/**
 * Yarn 4 with `nodeLinker: node-modules`.
 *
 * @param {string} version
 * @param {string} script
 * @returns {Manager}
 */
export function yarn(version, script) {
  return {
    name: 'yarn',
    version,
    script,
    configure: (project, registry, others) => {
      writeFileSync(join(project, 'yarn.lock'), ''); // makes it the root of a project
      const settings = {
        nodeLinker: 'node-modules',
        npmRegistryServer: others,
        npmScopes: { dm: { npmRegistryServer: registry } },
        npmPreapprovedPackages: ['@dm/*'], // published a minute ago
        unsafeHttpWhitelist: ['localhost'],
        enableTelemetry: false,
        // Yarn's cache does not tell apart the packages of two rehearsals, whose versions are the same.
        globalFolder: join(project, '../yarn'),
      };
      writeFileSync(join(project, '.yarnrc.yml'), JSON.stringify(settings)); // JSON is YAML
    },
    add: (packages) => ['add', ...packages],
    remove: (packages) => ['remove', ...packages],
    // Missing and incompatible peer dependencies.
    complaint: /^.*YN00(?:02|60|86).*/m,
    installsPeers: false,
  };
}
