import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/**
 * Builds a test page, in the folder `name`, as vite does without configuration; returns its folder. With `minify` false,
 * functions keep their names, which TF.js needs: it passes the text of a function to its threads.
 */
export async function buildPage(name = 'page', minify = true): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'dm-page-'));
  const root = fileURLToPath(new URL(name, import.meta.url));
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    build: { outDir, emptyOutDir: true, ...(!minify && { minify }) },
  });
  return outDir;
}
