import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** Builds a test page, in the folder `name`, as vite does without configuration; returns its folder. */
export async function buildPage(name = 'page'): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'dm-page-'));
  const root = fileURLToPath(new URL(name, import.meta.url));
  await build({ root, configFile: false, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
  return outDir;
}
