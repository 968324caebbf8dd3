// Repeatedly kills and resumes a training run, and checks its folder after each kill.
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { latestCheckpoint, readMetrics, runFolder } from '@dm/trainer';
import { startDm } from '../dm.mjs';
import { createRandom } from '../random.mjs';
import { lastCheckpoint, logOf } from '../run-results.mjs';
import { tinyConfig, writeJson, writeTinyData } from '../tiny.mjs';
/** @import { Random } from '../random.mjs' */

/**
 * @typedef {object} TrainKills statistics; violations are thrown as errors
 * @property {number} kills
 * @property {number} duringSave kills that left a half-written checkpoint
 * @property {number} lost largest number of steps that a kill lost, from the newest checkpoint to the last logged step
 * @property {number} runs completed, after being resumed from every kill
 *
 * @typedef {object} TrainKillOptions
 * @property {number} seed of the random moments
 * @property {string} engine
 * @property {number} steps of a run; when a run finishes, a new one starts
 * @property {number} interval steps between checkpoints
 */

/**
 * A kill during a save hits one of the first three saves of a session, at most this many milliseconds after its start.
 */
const saveMs = 250;
/** Delay before each chunk of a file, so that a save takes about `saveMs`. */
const slowWriteMs = 2;
/** All other kills happen between the start of the process and this many milliseconds of training. */
const trainingMs = 1500;
/** A process that takes longer to exit after SIGTERM hangs, in milliseconds. */
const patienceMs = 200_000;

/**
 * Checks these guarantees, with N steps between saves:
 *   - whenever the process dies, the newest checkpoint loads, and its hashes match;
 *   - SIGKILL, even during a save, loses at most the N steps after the newest checkpoint; SIGTERM loses none;
 *   - the log (each step once) and the last checkpoint (byte for byte) are the same as in an uninterrupted run;
 *   - a finished run contains no partial checkpoint.
 *
 * @param {string} folder
 * @param {TrainKillOptions} options
 * @param {TrainKills} outcome updated in place
 * @returns {Promise<() => Promise<string>>} kills once and returns a description; rejects with an Error on a violation
 */
export async function trainKiller(folder, { seed, engine, steps, interval }, outcome) {
  const data = await writeTinyData(folder);
  const config = writeJson(join(folder, 'config.json'), {
    ...tinyConfig(data, steps),
    // A curriculum with state, which is saved in the checkpoint too.
    curriculum: { type: 'lossSecondMoment', historyPerTimestep: 1 },
    engine,
    threads: engine === 'onnx' ? 1 : null,
    checkpoints: { every: interval, keepLast: 2 },
  });
  const unbroken = join(folder, 'unbroken');
  const startMs = await toTheEnd(['--config', config, '--out', unbroken]);
  let attempts = outcome.kills;
  let out = join(folder, `killed-${attempts}`);
  let newest = 0;

  return async () => {
    for (;;) {
      const random = createRandom(seed, 1, attempts++);
      const killed = await killOnce(out, config, random, startMs);
      if (killed === undefined) {
        compareRuns(out, unbroken, steps);
        outcome.runs++;
        rmSync(out, { recursive: true, force: true });
        [out, newest] = [join(folder, `killed-${attempts}`), 0];
        continue;
      }
      const { began, done, valid, writing, signal } = killed;
      if (began !== undefined && began !== newest) {
        throw new Error(`${out}: began at step ${began}, and the newest checkpoint was of step ${newest}`);
      }
      if (valid < newest) throw new Error(`${out}: the newest checkpoint went back from ${newest} to ${valid}`);
      newest = valid;
      const lost = done - valid;
      if (lost > (signal === 'SIGTERM' ? 0 : interval)) {
        throw new Error(`${out}: step ${done} was done, and the newest checkpoint is of step ${valid} after ${signal}`);
      }
      outcome.kills++;
      outcome.duringSave += Number(writing !== undefined);
      outcome.lost = Math.max(outcome.lost, lost);
      return `${signal} after step ${done}${writing === undefined ? '' : `, during ${writing}`}: step ${valid} loads`;
    }
  };
}

/**
 * Runs one session and kills it; undefined if it finished first.
 *
 * @param {string} out
 * @param {string} config
 * @param {Random} random
 * @param {number} startMs
 */
async function killOnce(out, config, random, startMs) {
  const { checkpoints, metrics } = runFolder(out);
  const since = Date.now();
  const inSave = random.chance(0.4);
  const signal = random.chance(0.25) ? 'SIGTERM' : 'SIGKILL';
  const { child, output, ended } = startTraining(nextSession(out, config), inSave ? slowWriteMs : 0);
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  if (inSave) {
    const saves = new Set();
    const wanted = 1 + random.below(3);
    while (saves.size < wanted && !isOver()) {
      const name = saveUnderWay(checkpoints, since);
      if (name !== undefined) saves.add(name);
      await sleep(2);
    }
    await sleep(random.uniform() * saveMs);
  } else {
    await sleep(random.uniform() * (startMs + trainingMs));
  }
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const { code, signal: died } = await ended;
  clearTimeout(timer);
  if (signal === 'SIGTERM' && died === 'SIGKILL') throw new Error(`${out}: no end ${patienceMs} ms after SIGTERM`);
  // Without exit code 143 the process died of SIGTERM before it installed its handler, so nothing was trained yet.
  const saved = signal === 'SIGTERM' && code === 143;
  if (died !== signal && !saved) {
    if (code === 0) return undefined;
    throw new Error(`${out}: dm ended by itself with ${died ?? code}: ${output.stderr}`);
  }
  const { checkpoint, skipped } = latestCheckpoint(checkpoints);
  const damaged = skipped.find(({ path }) => /step-\d+$/.test(path));
  if (damaged !== undefined) throw new Error(`${out}: a finished checkpoint does not load: ${damaged.reason}`);
  return {
    began: firstStepOf(output.stdout),
    done: lastLogged(metrics),
    valid: checkpoint?.manifest.step ?? 0,
    writing: saveUnderWay(checkpoints, since),
    signal: saved ? signal : 'SIGKILL',
  };
}

/** @param {readonly string[]} args @param {number} waitMs delay before each chunk of a file */
function startTraining(args, waitMs = 0) {
  return startDm(['train', '--json', ...args], { env: { ...process.env, DM_TEST_SLOW_WRITE: String(waitMs) } });
}

/** Arguments that start the run in `out`, or resume it. @param {string} out @param {string} config */
function nextSession(out, config) {
  return existsSync(runFolder(out).config) ? ['--resume', '--out', out] : ['--config', config, '--out', out];
}

/**
 * The name of a partial checkpoint started after `since`; earlier kills may have left others.
 *
 * @param {string} checkpoints
 * @param {number} since as `Date.now()`
 */
function saveUnderWay(checkpoints, since) {
  if (!existsSync(checkpoints)) return undefined;
  return readdirSync(checkpoints)
    .filter(isLeftover)
    .find((name) => (statSync(join(checkpoints, name), { throwIfNoEntry: false })?.mtimeMs ?? 0) > since);
}

/** @param {string} name in the checkpoints folder */
const isLeftover = (name) => !/^step-\d+$|^best.*\.json$/.test(name);

/**
 * Trains to the end. Returns the time until training started, in milliseconds.
 *
 * @param {readonly string[]} args
 */
async function toTheEnd(args) {
  const before = performance.now();
  let startMs = 0;
  const { child, output, ended } = startTraining(args);
  child.stdout?.on('data', () => {
    if (startMs === 0 && firstStepOf(output.stdout) !== undefined) startMs = performance.now() - before;
  });
  const { code } = await ended;
  if (code !== 0) throw new Error(`dm train ${args.join(' ')} ended with ${code}: ${output.stderr}`);
  return startMs;
}

/**
 * The step at which a session started; undefined until it has printed it.
 *
 * @param {string} stdout
 * @returns {number | undefined}
 */
function firstStepOf(stdout) {
  const line = stdout.split('\n').find((text) => text.startsWith('{"event":"start"') && text.endsWith('}'));
  return line === undefined ? undefined : JSON.parse(line).step;
}

/** The last step of the log, which must contain the steps 1, 2, 3, ... in order. @param {string} path */
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
  if (other >= 0) throw new Error(`${killed}: line ${other + 1} of metrics.jsonl differs from the unbroken run`);
  const [last, expected] = [lastCheckpoint(killed), lastCheckpoint(unbroken)];
  for (const name of readdirSync(expected)) {
    if (!readFileSync(join(last, name)).equals(readFileSync(join(expected, name)))) {
      throw new Error(`${join(last, name)} differs from the unbroken run`);
    }
  }
  const leftover = [...readdirSync(killed), ...readdirSync(runFolder(killed).checkpoints).filter(isLeftover)].find(
    (name) => /partial|tmp|temp|lock/.test(name),
  );
  if (leftover !== undefined) throw new Error(`${killed}: ${leftover} is left in a finished run`);
}
