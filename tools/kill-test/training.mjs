// The training that is killed, by the built `dm`: small enough that a start takes most of its time.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpz } from '@dm/data';

const cli = fileURLToPath(new URL('../../packages/trainer/dist/cli.js', import.meta.url));

/**
 * Writes data and configuration of a run into `folder`; returns the path of the configuration. Each step is logged.
 *
 * @param {string} folder
 * @param {{ steps: number, interval: number, engine: string }} run `interval`: steps between two checkpoints
 */
export async function prepareTraining(folder, { steps, interval, engine }) {
  const [images, side] = [23, 8];
  await writeNpz(join(folder, 'data.npz'), {
    images: {
      shape: [images, side, side, 1],
      data: Uint8Array.from({ length: images * side * side }, (_, i) => (i * i) % 251),
    },
  });
  const config = {
    data: join(folder, 'data.npz'),
    model: { type: 'dit', patch_size: 4, hidden_size: 16, depth: 1, num_heads: 2 },
    diffusion: { timesteps: 20 },
    // Its state is in the checkpoint too.
    curriculum: { type: 'lossSecondMoment', historyPerTimestep: 1 },
    batchSize: 4,
    totalSteps: steps,
    engine,
    threads: engine === 'onnx' ? 1 : null,
    logEvery: 1,
    sampleEvery: 0,
    samples: 1,
    sampler: { steps: 1 },
    checkpoints: { every: interval, keepLast: 2 },
  };
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/**
 * Starts `dm train` and gathers what it prints.
 *
 * @param {readonly string[]} args
 * @param {number} slowWriteMs how long it waits before each piece of a file that it writes
 */
export function startTraining(args, slowWriteMs = 0) {
  const child = spawn(process.execPath, [cli, 'train', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DM_TEST_SLOW_WRITE: String(slowWriteMs) },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text));
  /** @type {Promise<{ code: number | null, signal: string | null }>} */
  const closed = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return { child, output, closed };
}

/**
 * The step that a session began at, once it has said so.
 *
 * @param {string} stdout
 * @returns {number | undefined}
 */
export function firstStepOf(stdout) {
  const line = stdout.split('\n').find((text) => text.startsWith('{"event":"start"') && text.endsWith('}'));
  return line === undefined ? undefined : JSON.parse(line).step;
}
