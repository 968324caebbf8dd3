import { defineConfig, type Options } from 'tsup';

/** The build configuration of every package: ESM and CommonJS, with types for both. */
export function library(options: Options = {}) {
  return defineConfig({
    entry: ['src/index.ts'],
    format: ['esm', 'cjs'],
    target: 'node20',
    dts: true,
    sourcemap: true,
    clean: true,
    ...options,
  });
}

/** The build of the entry for browsers, `src/browser.ts`, in addition to `library({ clean: keepBrowser })`. */
export function browserEntry(options: Options = {}) {
  return library({
    entry: ['src/browser.ts'],
    format: ['esm'],
    platform: 'browser',
    target: 'es2022',
    clean: false,
    ...options,
  });
}

/** `clean` that does not delete the entry for browsers, which is built at the same time. */
export const keepBrowser = ['!browser.*'];
