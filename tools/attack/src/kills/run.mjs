// Kills all commands that write files at random moments.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dm } from '../dm.mjs';
import { openState } from '../state.mjs';
import { tinyConfig, tinyUnet, writeJson, writeTinyData } from '../tiny.mjs';
import { outputKiller } from './output.mjs';
import { trainKiller } from './train.mjs';

/**
 * @typedef {object} KillOptions
 * @property {number} kills total over all commands; two fifths of them hit `train`
 * @property {number} seed
 * @property {string} engine of the killed training runs
 * @property {number} steps
 * @property {number} interval
 * @property {string} [state] file with the progress of an interrupted run
 * @property {RegExp} [only] names of commands
 * @property {(line: string) => void} [onKill]
 *
 * @typedef {{ name: string, kills: number, faults: string[], notes: string }} KillResult
 */

/** Commands that write files or folders, by name; paths are relative to an empty folder. */
const outputs = (/** @type {{ run: string, data: string, pipeline: string }} */ { run, data, pipeline }) => ({
  'sample, grid': ['sample', '--run', run, '--count', '4', '--out', 'samples.png'],
  'sample, numbers': ['sample', '--run', run, '--count', '4', '--out', 'samples.npy'],
  'export, diffusers': ['export', '--run', run, '--out', 'pipeline'],
  'export, onnx': ['export', '--run', run, '--format', 'onnx', '--out', 'model.onnx'],
  'export, safetensors': ['export', '--run', run, '--format', 'safetensors', '--out', 'model.safetensors'],
  import: ['import', pipeline, '--out', 'run'],
  'eval statistics': ['eval', 'statistics', data, '--extractor', 'pixels', '--no-cache', '--out', 'set.npz'],
  'data inspect, sheet': ['data', 'inspect', data, '--sheet', 'sheet.png'],
  'data prepare': ['data', 'prepare', data, '--out', 'set.shard'],
});

/**
 * @param {KillOptions} options
 * @returns {Promise<KillResult[]>}
 */
export async function kills({ kills: wanted, seed, state: path, only, onKill = () => {}, ...training }) {
  const folder = mkdtempSync(join(tmpdir(), 'dm-kills-'));
  /** @type {import('../state.mjs').State<Record<string, any>>} */
  const state = openState(path, {});
  const is = (/** @type {string} */ name) => only?.test(name) !== false;
  /** @type {KillResult[]} */
  const results = [];
  /**
   * @param {string} name
   * @param {number} count
   * @param {() => Promise<() => Promise<string>>} open
   * @param {any} outcome
   */
  const killEnough = async (name, count, open, outcome) => {
    const faults = [];
    try {
      if (outcome.kills < count) {
        const kill = await open();
        for (let n = outcome.kills; n < count; n++) {
          onKill(`${name}: ${await kill()}`);
          state.save();
        }
      }
    } catch (error) {
      faults.push(/** @type {Error} */ (error).message);
    }
    const { kills: done, ...others } = outcome;
    const notes = Object.entries(others)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ');
    results.push({ name, kills: done, faults, notes });
  };
  const trainLane = async () => {
    if (!is('train')) return;
    const outcome = (state.value['train'] ??= { kills: 0, duringSave: 0, lost: 0, runs: 0 });
    await killEnough(
      'train',
      Math.round(wanted * 0.4),
      () => trainKiller(folder, { seed, ...training }, outcome),
      outcome,
    );
  };
  const outputLane = async () => {
    const commands = Object.entries(outputs(await prepare(folder)));
    const each = Math.max(1, Math.round((wanted * 0.6) / commands.length));
    for (const [i, [name, args]] of commands.entries()) {
      if (!is(name)) continue;
      const outcome = (state.value[name] ??= { kills: 0, midWrite: 0, finished: 0 });
      await killEnough(name, each, () => outputKiller(folder, args, seed, 2 + i, outcome), outcome);
    }
  };
  await Promise.all([trainLane(), outputLane()]);
  if (results.every(({ faults }) => faults.length === 0)) rmSync(folder, { recursive: true, force: true });
  else onKill(`${folder} is kept for a look at it`);
  return results;
}

/** Trains a UNet and exports it as a pipeline. @param {string} folder */
async function prepare(folder) {
  const data = await writeTinyData(folder);
  const config = writeJson(join(folder, 'unet.json'), { ...tinyConfig(data, 2), model: tinyUnet });
  const [run, pipeline] = [join(folder, 'unet-run'), join(folder, 'unet-pipeline')];
  await dm(['train', '--config', config, '--out', run]);
  await dm(['export', '--run', run, '--out', pipeline]);
  return { run, data, pipeline };
}
