// Selects the unit tests affected by a change, from the import graph.

/**
 * @typedef {object} Module a file in dependency-cruiser's report
 * @property {string} source
 * @property {{ resolved: string }[]} dependencies
 */

/** @param {string} path */
const isUnitTest = (path) => path.endsWith('.test.ts') && !/\.(e2e|long)\.test\.ts$/.test(path);

/**
 * `packages/core` for `packages/core/src/index.ts`.
 *
 * @param {string} path
 */
const projectOf = (path) => path.split('/').slice(0, 2).join('/');

/**
 * The unit tests that import a changed file of the same project, directly or indirectly, grouped by import distance and
 * nearest first. A changed test has distance 0.
 *
 * @param {readonly Module[]} modules
 * @param {readonly string[]} changed paths relative to the root, with slashes
 * @returns {string[][]}
 */
export function testsByDistance(modules, changed) {
  /** @type {Map<string, string[]>} */
  const importers = new Map();
  for (const { source, dependencies } of modules) {
    for (const { resolved } of dependencies) {
      if (projectOf(resolved) !== projectOf(source)) continue;
      importers.set(resolved, [...(importers.get(resolved) ?? []), source]);
    }
  }
  const known = new Set(modules.map(({ source }) => source));
  const seen = new Set(changed.filter((path) => known.has(path)));
  const groups = [];
  for (let files = [...seen]; files.length > 0;) {
    const tests = files.filter(isUnitTest);
    if (tests.length > 0) groups.push(tests.toSorted());
    files = [...new Set(files.flatMap((file) => importers.get(file) ?? []))].filter((file) => !seen.has(file));
    for (const file of files) seen.add(file);
  }
  return groups;
}
