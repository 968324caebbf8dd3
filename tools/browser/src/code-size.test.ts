/** How much of our code the workers of web pages load, and what is in it. Needs no browser. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { describe, expect, it } from 'vitest';
import { compressedSize, report } from './sizes.js';

const page = fileURLToPath(new URL('bundle', import.meta.url));

describe('code of web pages', () => {
  it('our code has at most 150 kB, compressed, TensorFlow.js included', async () => {
    const { outputFiles } = await esbuild({
      entryPoints: [join(page, 'worker.js')],
      bundle: true,
      format: 'esm',
      minify: true,
      write: false,
      external: ['onnxruntime-web/*'],
    });
    const size = compressedSize(outputFiles[0]!.contents);
    report(`our code: ${size} bytes`);
    expect(size).toBeLessThanOrEqual(150_000);
  });

  it('with stored runs, our code has at most 150 kB in the first load, and 156 kB with zips, compressed', async () => {
    const built = await vite({
      root: page,
      configFile: false,
      logLevel: 'warn',
      build: {
        write: false,
        rollupOptions: {
          input: join(page, 'run-worker.js'),
          external: [/^onnxruntime-web/],
          preserveEntrySignatures: false, // a worker exports nothing
        },
      },
    });
    const chunks = [built].flat().flatMap((result) => ('output' in result ? result.output : []));
    const sizes = chunks.map((chunk) => ({
      isFirst: chunk.type === 'chunk' && chunk.isEntry,
      size: chunk.type === 'chunk' ? compressedSize(Buffer.from(chunk.code)) : 0,
    }));
    const first = sizes.filter(({ isFirst }) => isFirst).reduce((sum, { size }) => sum + size, 0);
    const all = sizes.reduce((sum, { size }) => sum + size, 0);
    report(`our code with stored runs: ${first} bytes in the first load, ${all} with zips`);
    expect(all).toBeGreaterThan(first);
    expect(first).toBeLessThanOrEqual(150_000);
    expect(all).toBeLessThanOrEqual(156_000);
  });

  // A page has no command line: its messages name fields of the configuration.
  it('no text of our code names a flag of the command line', async () => {
    const { outputFiles } = await esbuild({
      entryPoints: [join(page, 'worker.js'), join(page, 'run-worker.js')],
      bundle: true,
      format: 'esm',
      splitting: true,
      write: false,
      outdir: 'flags',
      external: ['onnxruntime-web/*'],
    });
    const code = outputFiles.map(({ text }) => text).join('\n');
    // Not preceded or followed by what precedes or follows a decrement. The last one is a flag of pnpm.
    const flags = code.matchAll(/(?<![\w$)\]}-])--[a-z]+(?:-[a-z]+)*(?![\w$-]|\s*[;)><,\]]|\s+=)/g);
    expect([...new Set(Array.from(flags, ([flag]) => flag))]).toEqual(['--allow-build']);
  });

  it('a page that only samples has at most 110 kB of our code, compressed, and neither trainer nor native modules', async () => {
    const { outputFiles, metafile } = await esbuild({
      entryPoints: [fileURLToPath(new URL('../../../examples/sample-in-page/worker.js', import.meta.url))],
      bundle: true,
      format: 'esm',
      minify: true,
      write: false,
      metafile: true,
      external: ['onnxruntime-web/*'],
    });
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.some((path) => path.includes('packages/models/'))).toBe(true);
    expect(
      inputs.filter((path) => /packages\/(trainer|data|eval|optim|curriculum)\/|koffi|sharp|\/zod\//.test(path)),
    ).toEqual([]);
    const size = compressedSize(outputFiles[0]!.contents);
    report(`our code of a page that samples: ${size} bytes`);
    expect(size).toBeLessThanOrEqual(110_000);
  });
});
