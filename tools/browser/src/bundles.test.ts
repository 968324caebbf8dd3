/** A page of these packages, bundled by vite, webpack, esbuild, and rollup, and opened in Chromium. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import commonjs from '@rollup/plugin-commonjs';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { build as esbuild } from 'esbuild';
import type { Browser } from 'playwright-core';
import { rollup, type RollupLog } from 'rollup';
import { build as vite } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import webpack from 'webpack';
import { hasChromium, launch, openPage, serveFolder } from './chromium.js';
import { compressedSize, report } from './sizes.js';

const page = fileURLToPath(new URL('bundle', import.meta.url));
const entries = { main: join(page, 'main.js'), worker: join(page, 'worker.js') };
const wasmFile = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm');

/** esbuild and rollup leave `new URL(file, import.meta.url)` as it is, so page and runtime find these files next to them. */
function addFiles(outDir: string): void {
  copyFileSync(join(page, 'index.html'), join(outDir, 'index.html'));
  copyFileSync(wasmFile, join(outDir, 'ort-wasm-simd-threaded.wasm'));
}

/** Builds the page into a folder, without configuration if the bundler needs none; returns its warnings. */
const bundlers: Readonly<Record<string, (outDir: string) => Promise<readonly string[]>>> = {
  vite: async (outDir) => {
    await vite({ root: page, configFile: false, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
    return [];
  },
  webpack: async (path) => {
    const compiler = webpack({
      mode: 'production',
      context: page,
      entry: './main.js',
      output: { path },
      optimization: { minimize: false }, // takes a minute, and has nothing to do with what is bundled
    });
    if (compiler === null) throw new Error('webpack made no compiler');
    const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
      compiler.run((error, result) => (error === null ? resolve(result) : reject(error)));
    });
    const { errors = [], warnings = [] } = stats!.toJson({ errors: true, warnings: true });
    copyFileSync(join(page, 'index.html'), join(path, 'index.html'));
    // It recommends pages below 244 kB, which no page with WebAssembly is.
    const others = warnings.filter(({ message }) => !/size limit|code splitting|lazy load/.test(message));
    return [...errors, ...others].map(({ message }) => message);
  },
  esbuild: async (outdir) => {
    const result = await esbuild({
      entryPoints: entries,
      outdir,
      bundle: true,
      format: 'esm',
      minify: true,
      logLevel: 'silent',
    });
    addFiles(outdir);
    return [...result.errors, ...result.warnings].map(({ text }) => text);
  },
  rollup: async (dir) => {
    const warnings: string[] = [];
    const plugins = [nodeResolve({ browser: true }), commonjs()];
    const onwarn = ({ code, message }: RollupLog) => {
      // Within TensorFlow.js and zod.
      if (!['CIRCULAR_DEPENDENCY', 'THIS_IS_UNDEFINED', 'INVALID_ANNOTATION'].includes(code ?? ''))
        warnings.push(message);
    };
    const bundle = await rollup({ input: entries, plugins, onwarn });
    await bundle.write({ dir, format: 'es' });
    await bundle.close();
    addFiles(dir);
    return warnings;
  },
};

describe.skipIf(!hasChromium())('bundles', () => {
  let browser: Browser;
  const folders = new Map<string, string>();
  const losses = new Map<string, string>();

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true });
  });

  it.each(Object.keys(bundlers))('%s bundles a page without warnings, and the page makes a step', async (name) => {
    const folder = mkdtempSync(join(tmpdir(), `dm-${name}-`));
    folders.set(name, folder);
    expect(await bundlers[name]!(folder)).toEqual([]);
    const { url, server } = await serveFolder(folder, false);
    const { page: opened, context, messages } = await openPage(browser, url);
    try {
      await opened.waitForFunction('document.title !== "One step in a browser"', undefined, { timeout: 240_000 });
      expect(await opened.title()).toMatch(/^loss \d/);
      losses.set(name, await opened.title());
      expect(messages).toEqual([]);
    } finally {
      await context.close();
      server.close();
    }
  });

  it('gives the same loss whatever the bundler', () => {
    expect(new Set(losses.values()).size).toBe(1);
  });

  it('the first load of a page has at most 3.5 MB, compressed', () => {
    const files = readdirSync(folders.get('vite')!, { recursive: true, encoding: 'utf8' })
      .map((file) => join(folders.get('vite')!, file))
      .filter((file) => statSync(file).isFile());
    const size = files.reduce((sum, file) => sum + compressedSize(readFileSync(file), 9), 0);
    report(`first load: ${size} bytes`);
    expect(size).toBeLessThanOrEqual(3_500_000);
  });
});
