// Starts the built `dm`.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built command; DM_ATTACK_CLI selects another, for example of an earlier commit. */
export const cli =
  process.env['DM_ATTACK_CLI'] ?? fileURLToPath(new URL('../../../packages/trainer/dist/cli.js', import.meta.url));

/**
 * @typedef {{ code: number | null, signal: NodeJS.Signals | null, stdout: string, stderr: string }} Ended
 */

/**
 * Starts `dm` and collects its output.
 *
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions & { nodeArgs?: readonly string[] }} [options]
 */
export function startDm(args, { nodeArgs = [], ...options } = {}) {
  const child = spawn(process.execPath, [...nodeArgs, cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text) => (output.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text) => (output.stderr += text));
  /** @type {Promise<Ended>} */
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return { child, output, ended };
}

/**
 * Runs `dm` and waits for it to exit with code 0.
 *
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 */
export async function dm(args, options) {
  const { code, signal, stdout, stderr } = await startDm(args, options).ended;
  if (code !== 0) throw new Error(`dm ${args.join(' ')} ended with ${signal ?? code}: ${stderr}`);
  return { stdout, stderr };
}
