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
