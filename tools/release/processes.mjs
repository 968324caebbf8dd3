// Runs the programs of the rehearsal as on another machine, without the settings of the workspace.
import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

/**
 * Variables of npm, pnpm, Nx, vitest, and Node, except those that are needed to reach the registry: npm's settings and
 * cache, and certificates.
 */
const SETTINGS =
  /^npm_(?:package|lifecycle|command|execpath|node|config_(?!registry|userconfig|cache))|^NODE_(?!EXTRA_CA)|^(?:NX|VITEST|PNPM|INIT)_|^ONNXRUNTIME/;

/**
 * Settings that npm, Nx, and Node pass to their child processes must not reach an empty project.
 *
 * @param {Record<string, string>} more variables to set
 * @param {readonly string[]} [path] folders that are searched first
 * @returns {NodeJS.ProcessEnv}
 */
export function cleanEnvironment(more, path = []) {
  const kept = Object.entries(process.env).filter(([name]) => !SETTINGS.test(name));
  // Nx forces colors, which would be part of printed numbers.
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...Object.fromEntries(kept), FORCE_COLOR: '0', ...more };
  return { ...env, PATH: [...path, env['PATH']].join(delimiter) };
}

/**
 * Runs a program and waits for its end.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ stdout: string, stderr: string }>}
 */
export function run(program, args, { cwd, env }) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (stderr += text));
    child.on('error', fail);
    child.on('close', (status) => {
      if (status === 0) done({ stdout, stderr });
      else fail(new Error(`${program} ${args.join(' ')} (exit code ${status}):\n${stdout}${stderr}`));
    });
  });
}
