// The tables of docs/release.md, from the committed report of `nx run release:rehearse -c full`.

/**
 * @typedef {object} Summary the report of a rehearsal
 * @property {string} version of the packages
 * @property {string} processor
 * @property {string[]} typescript
 * @property {{ name: string, bytes: number }[]} tarballs
 * @property {{ node: string, manager: string, package: string, seconds: number, done: string[], error?: string }[]}
 *   results
 */

/**
 * One row per version of Node and package manager: packages that passed, and the median time of one package.
 *
 * @param {Summary} summary
 * @returns {string[]} rows of a Markdown table
 */
export function matrixTable({ results }) {
  const keys = [...new Set(results.map(({ node, manager }) => `${node} | ${manager}`))].toSorted();
  const rows = keys.map((key) => {
    const some = results.filter(({ node, manager }) => `${node} | ${manager}` === key);
    const passed = some.filter(({ error }) => error === undefined).length;
    const seconds = some.map((each) => each.seconds).toSorted((a, b) => a - b);
    return `| ${key} | ${passed} of ${some.length} | ${seconds[seconds.length >> 1]} s |`;
  });
  return ['| Node | package manager | packages | median time |', ...rows];
}

/**
 * One row per package with code: sizes of its tarball and of the bundles of its example.
 *
 * @param {Summary} summary
 * @returns {string[]} rows of a Markdown table
 */
export function sizeTable({ results, tarballs }) {
  const rows = tarballs
    .filter(({ name }) => !name.startsWith('onnxruntime-'))
    .map(({ name, bytes }) => {
      const done = results.filter((each) => each.package === name).flatMap((each) => each.done);
      const bundle = (/** @type {string} */ bundler) =>
        /\((.*)\)/.exec(done.find((each) => each.startsWith(`${bundler} (`)) ?? '')?.[1] ?? '';
      return `| \`@dm/${name}\` | ${Math.round(bytes / 1000)} kB | ${bundle('vite')} | ${bundle('esbuild')} |`;
    });
  return ['| package | tarball | vite | esbuild |', ...rows];
}
