import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Fills a temporary sibling of `dir` and renames it to `dir`, replacing what was there. Where `fill` fails, `dir`
 * stays as it was and the sibling is removed.
 */
export async function replaceFolder<T>(dir: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  await mkdir(dirname(dir), { recursive: true });
  const suffix = `${process.pid}-${Date.now().toString(36)}`;
  const temporary = join(dirname(dir), `.${basename(dir)}.${suffix}.tmp`);
  const old = join(dirname(dir), `.${basename(dir)}.${suffix}.old`);
  await mkdir(temporary);
  try {
    const result = await fill(temporary);
    // rename does not replace a folder that has files in it, so an older one steps aside first.
    await rename(dir, old).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(temporary, dir);
    await rm(old, { recursive: true, force: true });
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
