// Runs external programs. Neither pnpm nor Nx has to be installed globally.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the workspace. */
export const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));

/**
 * @typedef {object} Result
 * @property {number} status exit code; 1 if the command was killed by a signal or could not be started
 * @property {string} output stdout and stderr together; empty unless `quiet` or `tee`
 */

/** Ignores a signal. */
const wait = () => {};

/**
 * Runs a program, by default in the root of the workspace, and waits until it exits.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, tee?: boolean, cwd?: string }} [options] `quiet` returns the output instead of printing it;
 *   `tee` does both
 * @returns {Promise<Result>}
 */
export function run(program, args, { quiet = false, tee = false, cwd = root } = {}) {
  return new Promise((done) => {
    // On Windows npx is a script, which only a shell can start.
    const shell = process.platform === 'win32' && program === 'npx';
    const child = spawn(program, args, { cwd, shell, stdio: quiet || tee ? ['ignore', 'pipe', 'pipe'] : 'inherit' });
    /** @type {string[]} */
    const output = [];
    for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
      child[name]?.setEncoding('utf8').on('data', (text) => {
        output.push(text);
        if (tee) process[name].write(text);
      });
    }
    // The terminal sends the signal to the child too; this process stays to report its exit code.
    process.on('SIGINT', wait);
    const end = (/** @type {number} */ status) => {
      process.off('SIGINT', wait);
      done({ status, output: output.join('') });
    };
    child.on('error', (error) => {
      output.push(`${program}: ${error.message}\n`);
      if (!quiet) console.error(`${program}: ${error.message}`);
      end(1);
    });
    child.on('close', (status) => end(status ?? 1));
  });
}

/**
 * Runs pnpm, in the version pinned by `packageManager` in package.json, with npx, which caches it.
 *
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, cwd?: string }} [options]
 */
export function pnpm(args, options) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return run('npx', ['--yes', '--prefer-offline', '--no-update-notifier', packageManager, ...args], options);
}

/**
 * The script of a command of one of the workspace's development dependencies, to be run with Node.
 *
 * @param {string} dependency
 * @param {string} [command] default: the dependency's name
 * @returns {string}
 */
export function commandOf(dependency, command = dependency) {
  const folder = join(root, 'node_modules', dependency);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

/**
 * Runs the workspace's version of Nx.
 *
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, tee?: boolean }} [options]
 */
export function nx(args, options) {
  return run(process.execPath, [commandOf('nx'), ...args], options);
}
