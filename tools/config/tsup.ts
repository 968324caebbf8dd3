import { defineConfig, type Options } from 'tsup';

/** The one build of every package: ESM, CommonJS and types for both. */
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
