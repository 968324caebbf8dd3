// Trains with random combinations of features, interrupts each run at random steps, resumes it, and checks that the
// result is the same as without interruptions.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSafetensors } from '@dm/models';
import { resolveConfig } from '@dm/trainer';
import { startDm } from '../dm.mjs';
import { createRandom } from '../random.mjs';
import { lastCheckpoint, logOf } from '../run-results.mjs';
import { openState } from '../state.mjs';
import { writeJson, writeTinyData } from '../tiny.mjs';
import { randomConfiguration } from './configurations.mjs';
/** @import { Random } from '../random.mjs' */

/**
 * @typedef {object} CrossingOptions
 * @property {number} crossings
 * @property {number} seed
 * @property {string} [state] file with the progress of an interrupted run
 * @property {(line: string) => void} [onCrossing]
 *
 * @typedef {object} CrossingResult
 * @property {number} crossings
 * @property {number} interruptions
 * @property {number} refused configurations that were rejected as incompatible and redrawn
 * @property {number} otherThreads crossings that were resumed with another number of threads
 * @property {number} largestDifference of those crossings' weights, relative to their norm
 * @property {string[]} faults
 */

/** Optimizer steps of a run on the engine `onnx`. */
const steps = 48;
/**
 * Tolerance ||a - b|| / ||b|| between the weights of the uninterrupted run (b) and of a run resumed with other threads.
 */
export const threadsTolerance = 1e-3;
/** A session that takes longer hangs, in milliseconds. */
const patienceMs = 600_000;
/** Largest number of configurations drawn for one crossing. */
const maxDraws = 50;

/**
 * @param {CrossingOptions} options
 * @returns {Promise<CrossingResult>}
 */
export async function crossings({ crossings: wanted, seed, state: path, onCrossing = () => {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'dm-crossings-'));
  const data = await writeTinyData(folder);
  /** @type {import('../state.mjs').State<{ done: number[], result: CrossingResult }>} */
  const state = openState(path, {
    done: [],
    result: { crossings: 0, interruptions: 0, refused: 0, otherThreads: 0, largestDifference: 0, faults: [] },
  });
  const { done, result } = state.value;
  const open = Array.from({ length: wanted }, (_, i) => i).filter((i) => !done.includes(i));
  const lane = async () => {
    for (let i = open.shift(); i !== undefined; i = open.shift()) {
      const place = join(folder, `crossing-${i}`);
      try {
        const line = await cross(place, data, createRandom(seed, 100, i), result);
        onCrossing(`crossing ${i}: ${line}`);
        rmSync(place, { recursive: true, force: true });
      } catch (error) {
        result.faults.push(`crossing ${i} of seed ${seed}: ${/** @type {Error} */ (error).message}`);
      }
      result.crossings++;
      done.push(i);
      state.save();
    }
  };
  await Promise.all([lane(), lane()]);
  if (result.faults.length === 0) rmSync(folder, { recursive: true, force: true });
  return result;
}

/**
 * @param {string} place
 * @param {string} data
 * @param {Random} random
 * @param {CrossingResult} result updated in place
 */
async function cross(place, data, random, result) {
  const unbroken = `${place}-unbroken`;
  const fields = await drawConfiguration(unbroken, data, random, result);
  const config = `${unbroken}.json`;
  const broken = `${place}-broken`;
  let interruptions = 0;
  const wanted = 1 + random.below(3);
  const other = fields.engine === 'onnx' && random.chance(0.4);
  let args = ['--config', config, '--out', broken];
  for (let at = 0; at < wanted; at++) {
    const until = 1 + random.below(fields.totalSteps - 1);
    const { isOver } = await interrupt(args, until, random);
    if (isOver) break;
    interruptions++;
    args = ['--resume', '--out', broken];
    // A process killed before it wrote its configuration leaves no run to resume.
    if (readdirSync(broken, { encoding: 'utf8' }).includes('config.json')) continue;
    rmSync(broken, { recursive: true, force: true });
    args = ['--config', config, '--out', broken];
  }
  if (interruptions > 0) await finish(broken, args, other && args.includes('--resume') ? ['--threads', '2'] : []);
  result.interruptions += interruptions;
  const what = describe(fields);
  if (other && interruptions > 0) {
    const difference = weightDifference(broken, unbroken);
    result.otherThreads++;
    result.largestDifference = Math.max(result.largestDifference, difference);
    if (!(difference <= threadsTolerance))
      throw new Error(`${what}: weights differ by ${difference} with other threads`);
  } else compare(broken, unbroken, what);
  for (const path of [unbroken, broken, config]) rmSync(path, { recursive: true, force: true });
  return `${what}, ${interruptions} interruptions${other ? ', resumed with other threads' : ''}`;
}

/**
 * Draws configurations until one trains successfully in `out`.
 *
 * @param {string} out
 * @param {string} data
 * @param {Random} random
 * @param {CrossingResult} result
 */
async function drawConfiguration(out, data, random, result) {
  for (let draw = 0; draw < maxDraws; draw++) {
    const fields = randomConfiguration(random, data, steps);
    try {
      resolveConfig([{ source: 'crossing', value: /** @type {any} */ (fields) }]);
    } catch {
      result.refused++;
      continue;
    }
    const config = writeJson(`${out}.json`, fields);
    const { code, signal, stdout, stderr } = await session(['--config', config, '--out', out]).ended;
    if (code === 0) return fields;
    rmSync(out, { recursive: true, force: true });
    if (signal !== null || !/"code":"(CONFIG|OPTION)_/.test(stdout)) {
      throw new Error(`${JSON.stringify(fields)}: dm train ended with ${signal ?? code}: ${stderr}`);
    }
    result.refused++;
  }
  throw new Error(`no configuration of ${maxDraws} could be trained`);
}

/** @param {readonly string[]} args */
function session(args) {
  const started = startDm(['train', '--json', ...args]);
  const timer = setTimeout(() => started.child.kill('SIGKILL'), patienceMs);
  void started.ended.finally(() => clearTimeout(timer));
  return started;
}

/**
 * Trains until about step `until`, and then interrupts with SIGKILL, SIGTERM, or a step budget.
 *
 * @param {readonly string[]} args
 * @param {number} until
 * @param {Random} random
 */
async function interrupt(args, until, random) {
  const how = random.pick(['SIGKILL', 'SIGKILL', 'SIGTERM', 'budget']);
  if (how === 'budget') {
    const { code, stdout, stderr } = await session([...args, '--step-budget', String(until)]).ended;
    if (code !== 0) throw new Error(`dm train ${args.join(' ')} ended with ${code}: ${stderr}`);
    return { isOver: stdout.includes('"status":"finished"') };
  }
  const { child, output, ended } = session(args);
  const signal = how === 'SIGTERM' ? 'SIGTERM' : 'SIGKILL';
  child.stdout?.on('data', () => {
    if (output.stdout.includes(`"event":"step","step":${until},`)) child.kill(signal);
  });
  const { code, signal: died, stderr } = await ended;
  if (code === 0) return { isOver: true };
  if (died !== signal && code !== 143)
    throw new Error(`dm train ${args.join(' ')} ended with ${died ?? code}: ${stderr}`);
  return { isOver: false };
}

/**
 * Resumes until the run is finished: a session with a step budget leaves that budget in the run's configuration.
 *
 * @param {string} broken
 * @param {readonly string[]} args of the first session
 * @param {readonly string[]} options of every session
 */
async function finish(broken, args, options) {
  for (let words = args; ; words = ['--resume', '--out', broken]) {
    const { code, signal, stdout, stderr } = await session([...words, ...options]).ended;
    if (code !== 0) throw new Error(`dm train ${words.join(' ')} ended with ${signal ?? code}: ${stderr}`);
    if (stdout.includes('"status":"finished"')) return;
  }
}

/** @param {string} broken @param {string} unbroken @param {string} what */
function compare(broken, unbroken, what) {
  const [last, expected] = [lastCheckpoint(broken), lastCheckpoint(unbroken)];
  for (const name of readdirSync(expected)) {
    if (!readFileSync(join(last, name)).equals(readFileSync(join(expected, name)))) {
      throw new Error(`${what}: ${join(last, name)} differs from the unbroken run`);
    }
  }
  const [mine, theirs] = [logOf(broken), logOf(unbroken)];
  const other = theirs.findIndex((line, i) => line !== mine[i]);
  if (other >= 0 || mine.length !== theirs.length)
    throw new Error(`${what}: line ${other + 1} of metrics.jsonl differs`);
}

/** @param {string} broken @param {string} unbroken */
function weightDifference(broken, unbroken) {
  const read = (/** @type {string} */ out) =>
    parseSafetensors(readFileSync(join(lastCheckpoint(out), 'model.safetensors'))).tensors;
  const [mine, theirs] = [read(broken), read(unbroken)];
  let [difference, norm] = [0, 0];
  for (const [name, { data }] of Object.entries(theirs)) {
    const other = mine[name]?.data ?? [];
    data.forEach((/** @type {number} */ value, /** @type {number} */ i) => {
      difference += (value - (other[i] ?? NaN)) ** 2;
      norm += value ** 2;
    });
  }
  return Math.sqrt(difference / norm);
}

/** @param {ReturnType<typeof randomConfiguration>} fields */
function describe({ engine, model, optimizer, curriculum, lossWeighting, ema, gradientAccumulation, checkpoints }) {
  const parts = [engine, model.type, optimizer.type, curriculum, lossWeighting.type, ema.type];
  return `${parts.join(', ')}, accumulation ${gradientAccumulation}, overlap ${checkpoints.overlap}`;
}
