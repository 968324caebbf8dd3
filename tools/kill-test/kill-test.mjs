// Kills a training again and again, resumes it each time, and checks what is left after each kill.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { philox4x32 } from '@dm/core';
import { latestCheckpoint, readMetrics, runFolder, withoutMeasurements } from '@dm/trainer';
import { firstStepOf, prepareTraining, startTraining } from './training.mjs';

/**
 * @typedef {object} Options
 * @property {number} kills at least
 * @property {number} seed of the moments
 * @property {string} engine
 * @property {number} steps of a run; the next one begins where one is over
 * @property {number} interval steps between two checkpoints
 * @property {(line: string) => void} [onKill] told of each
 *
 * @typedef {object} Outcome what was seen; nothing of it is a violation, which throws
 * @property {number} kills
 * @property {number} duringSave kills that left a half-written checkpoint
 * @property {number} beforeFirst kills before there was a checkpoint
 * @property {number} lost largest number of steps that a kill lost: from the newest checkpoint to the last step done
 * @property {number} runs trained to their end, on and on after kills
 * @property {number} steps of each
 * @property {number} resumed sessions that were seen to begin at the newest valid checkpoint
 */

/** Kills within a save meet one of the first three of a session, in its first so many milliseconds. */
const saveMs = 250;
/** Waited before each piece of a file: makes a save here last about as long. */
const slowWriteMs = 2;
/** The other kills come at any moment from the start of the process until it has trained so many milliseconds. */
const trainingMs = 1500;

/**
 * The promise, with N steps between saves:
 *   - whenever the process dies, the newest checkpoint loads, hashes and all;
 *   - at most N steps are lost, those after the newest checkpoint: also where a save was on its way;
 *   - the log is what an unbroken run logs, each step once; so is, byte by byte, the last checkpoint.
 *
 * Throws an Error that names the first violation and leaves the folder of the runs for a look at it.
 *
 * @param {Options} options
 * @returns {Promise<Outcome>}
 */
export async function killTest({ kills, seed, engine, steps, interval, onKill = () => {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'dm-kill-'));
  const config = await prepareTraining(folder, { steps, interval, engine });
  const unbroken = join(folder, 'unbroken');
  const startMs = await toTheEnd(['--config', config, '--out', unbroken]);

  /** @type {Outcome} */
  const outcome = {
    kills: 0,
    duringSave: 0,
    beforeFirst: 0,
    lost: 0,
    runs: 0,
    steps,
    resumed: 0,
  };
  const wantedDuringSave = Math.ceil(kills / 3);
  const isEnough = () => outcome.kills >= kills && outcome.duringSave >= wantedDuringSave;
  while (!isEnough()) {
    const out = join(folder, `killed-${outcome.runs + 1}`);
    let newest = 0;
    let isOver = false;
    while (!isOver && !isEnough()) {
      const n = outcome.kills;
      if (n > 3 * kills) throw new Error(`Only ${outcome.duringSave} of ${n} kills met a save.`);
      const inSave = n % 3 === 0 || n >= kills;
      const killed = await killOnce(out, config, { inSave, moments: uniforms(seed, n), startMs });
      if (killed === undefined) {
        isOver = true;
        continue;
      }
      const { began, done, valid, writing } = killed;
      if (began !== undefined && began !== newest) {
        throw new Error(`${out}: began at step ${began}, and the newest checkpoint was of step ${newest}`);
      }
      if (valid < newest) throw new Error(`${out}: the newest checkpoint went back from ${newest} to ${valid}`);
      newest = valid;
      const lost = done - valid;
      if (lost > interval) {
        throw new Error(
          `${out}: step ${done} was done, and the newest checkpoint is of step ${valid}: ${lost} are lost`,
        );
      }
      outcome.kills++;
      outcome.duringSave += Number(writing !== undefined);
      outcome.beforeFirst += Number(valid === 0);
      outcome.resumed += Number(began !== undefined && began > 0);
      outcome.lost = Math.max(outcome.lost, lost);
      onKill(
        `kill ${String(outcome.kills).padStart(3)} after step ${done}` +
          `${writing === undefined ? '' : `, while step ${writing} was saved`}: step ${valid} loads`,
      );
    }
    if (!isOver) await toTheEnd(nextSession(out, config));
    compareRuns(out, unbroken, steps);
    outcome.runs++;
  }
  rmSync(folder, { recursive: true, force: true });
  return outcome;
}

/**
 * One session, killed; undefined where it came to its end before that.
 *
 * @param {string} out
 * @param {string} config
 * @param {{ inSave: boolean, moments: readonly [number, number], startMs: number }} when `moments` in [0, 1)
 */
async function killOnce(out, config, { inSave, moments: [when, which], startMs }) {
  const { checkpoints, metrics } = runFolder(out);
  const since = Date.now();
  const { child, output, closed } = startTraining(nextSession(out, config), inSave ? slowWriteMs : 0);
  if (inSave) {
    const saves = new Set();
    while (saves.size < 1 + Math.floor(3 * which) && child.exitCode === null) {
      const step = stepBeingSaved(checkpoints, since);
      if (step !== undefined) saves.add(step);
      await sleep(2);
    }
    await sleep(when * saveMs);
  } else {
    await sleep(when * (startMs + trainingMs));
  }
  child.kill('SIGKILL');
  const { code, signal } = await closed;
  if (signal !== 'SIGKILL') {
    if (code === 0) return undefined;
    throw new Error(`${out}: dm ended by itself with ${code}: ${output.stderr}`);
  }
  const { checkpoint, skipped } = latestCheckpoint(checkpoints);
  const damaged = skipped.find(({ path }) => !path.endsWith('.partial'));
  if (damaged !== undefined) throw new Error(`${out}: a finished checkpoint does not load: ${damaged.reason}`);
  return {
    began: firstStepOf(output.stdout),
    done: lastLogged(metrics),
    valid: checkpoint?.manifest.step ?? 0,
    writing: stepBeingSaved(checkpoints, since),
  };
}

/** Arguments that begin the run in `out`, or go on with it. @param {string} out @param {string} config */
function nextSession(out, config) {
  return existsSync(runFolder(out).config) ? ['--resume', '--out', out] : ['--config', config, '--out', out];
}

/**
 * Two numbers in [0, 1) for kill `n` of a seed.
 *
 * @param {number} seed
 * @param {number} n
 * @returns {[number, number]}
 */
function uniforms(seed, n) {
  const words = new Uint32Array(4);
  philox4x32(n, 0, 0, 0, seed, 0, words, 0);
  const [a = 0, b = 0] = words;
  return [a / 2 ** 32, b / 2 ** 32];
}

/**
 * The step of a half-written checkpoint that was begun after `since`: earlier kills leave some behind.
 *
 * @param {string} checkpoints
 * @param {number} since milliseconds of the clock
 */
function stepBeingSaved(checkpoints, since) {
  if (!existsSync(checkpoints)) return undefined;
  const name = readdirSync(checkpoints)
    .filter((file) => file.endsWith('.partial'))
    .find((file) => (statSync(join(checkpoints, file), { throwIfNoEntry: false })?.mtimeMs ?? 0) > since);
  return name === undefined ? undefined : Number(/\d+/.exec(name)?.[0]);
}

/**
 * Trains to the end. Returns how long the session took until its training began, in milliseconds.
 *
 * @param {readonly string[]} args
 */
async function toTheEnd(args) {
  const before = performance.now();
  let startMs = 0;
  const { child, output, closed } = startTraining(args);
  child.stdout.on('data', () => {
    if (startMs === 0 && firstStepOf(output.stdout) !== undefined) startMs = performance.now() - before;
  });
  const { code } = await closed;
  if (code !== 0) throw new Error(`dm train ${args.join(' ')} ended with ${code}: ${output.stderr}`);
  return startMs;
}

/** The last step of the log, whose complete lines must be of the steps 1, 2, 3, ... @param {string} path */
function lastLogged(path) {
  const steps = readMetrics(path).map(({ step }) => step);
  const wrong = steps.findIndex((step, i) => step !== i + 1);
  if (wrong >= 0) throw new Error(`line ${wrong + 1} of ${path} is of step ${steps[wrong]}`);
  return steps.length;
}

/** @param {string} killed @param {string} unbroken @param {number} steps */
function compareRuns(killed, unbroken, steps) {
  if (lastLogged(runFolder(killed).metrics) !== steps) throw new Error(`${killed}: the log ends too early`);
  const [mine, theirs] = [logOf(killed), logOf(unbroken)];
  const other = mine.findIndex((line, i) => line !== theirs[i]);
  if (other >= 0) throw new Error(`${killed}: line ${other + 1} of metrics.jsonl is not that of the unbroken run`);
  const [last, expected] = [lastCheckpoint(killed), lastCheckpoint(unbroken)];
  for (const name of readdirSync(expected)) {
    if (!readFileSync(join(last, name)).equals(readFileSync(join(expected, name)))) {
      throw new Error(`${join(last, name)} is not that of the unbroken run`);
    }
  }
}

/** The log without what clocks measured. @param {string} out */
function logOf(out) {
  return readMetrics(runFolder(out).metrics).map((line) => JSON.stringify(withoutMeasurements(line)));
}

/** @param {string} out */
function lastCheckpoint(out) {
  const { checkpoint } = latestCheckpoint(runFolder(out).checkpoints);
  if (checkpoint === undefined) throw new Error(`${out} has no valid checkpoint`);
  return checkpoint.path;
}
