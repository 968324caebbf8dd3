/** The built `dm` command. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../../packages/trainer/bin/dm.js', import.meta.url));

/**
 * Runs `dm` in a folder; returns what it printed.
 * @throws {Error} if it fails, with what it printed
 */
export function dm(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`dm ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}
