// Bundles a program and all packages that it imports into one file, as for a web page.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build as esbuild } from 'esbuild';
import { build as vite, createLogger } from 'vite';

/**
 * @typedef {(project: string, entry: string, output: string) => Promise<{ warnings: string[], kilobytes: number }>} Bundler
 *   without configuration but the format, minified
 */

const kilobytes = (/** @type {string} */ file) => Math.round(readFileSync(file).byteLength / 1000);

/** A module that makes TensorFlow.js take Node for a page; to be imported before a bundle. */
export const asPage = `globalThis.window = globalThis; globalThis.document = {}; delete globalThis.process;`;

/** @type {Readonly<Record<string, Bundler>>} */
export const bundlers = {
  vite: async (project, entry, output) => {
    const logger = createLogger('warn');
    /** @type {string[]} */
    const warnings = [];
    for (const level of /** @type {const} */ (['warn', 'warnOnce', 'error']))
      logger[level] = (text) => warnings.push(text);
    const result = await vite({
      root: project,
      configFile: false,
      logLevel: 'warn',
      customLogger: logger,
      build: { lib: { entry: join(project, entry), formats: ['es'] }, write: false, target: 'es2022' },
    });
    const chunks = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
    const code = chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : ''));
    if (code.length !== 1) warnings.push(`${code.length} files`);
    writeFileSync(join(project, output), code.join('\n'));
    return { warnings, kilobytes: kilobytes(join(project, output)) };
  },
  esbuild: async (project, entry, output) => {
    const { errors, warnings } = await esbuild({
      absWorkingDir: project,
      entryPoints: [entry],
      outfile: output,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      minify: true,
      logLevel: 'silent',
    });
    return { warnings: [...errors, ...warnings].map(({ text }) => text), kilobytes: kilobytes(join(project, output)) };
  },
};
