// Distributes damaged inputs to two processes, and reports the inputs on which a reader throws an unexpected error,
// hangs, crashes, or uses too much memory. Progress is stored in a file, so that an interrupted run can continue.
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { openState } from '../state.mjs';
/** @import { Fault, Result, Task } from './worker.mjs' */

/**
 * @typedef {object} ReaderResult
 * @property {string} name
 * @property {number} inputs
 * @property {number} read inputs that were read; the others were rejected or are faults
 * @property {number} faults
 *
 * @typedef {object} FuzzOptions
 * @property {number} inputs total over all readers
 * @property {number} seed
 * @property {string} [state] file with the progress of an interrupted run
 * @property {RegExp} [only] names of readers
 * @property {(line: string) => void} [onFault]
 */

const program = fileURLToPath(new URL('worker.mjs', import.meta.url));
/** An input that takes longer hangs, in seconds: ten times what readers may take. */
const patience = 200;
const chunk = 500;
/** Faults that are printed per reader; all are counted. */
const described = 5;

/**
 * @param {FuzzOptions} options
 * @returns {Promise<ReaderResult[]>}
 */
export async function fuzz({ inputs, seed, state: path, only, onFault = () => {} }) {
  const first = await openWorker(seed);
  const shares = first.readers.map(({ name, share }) => (only?.test(name) === false ? 0 : share));
  const sum = shares.reduce((a, b) => a + b, 0);
  /** @type {import('../state.mjs').State<Record<string, { done: number, read: number, faults: number }>>} */
  const state = openState(path, {});
  /** @type {Task[]} */
  const tasks = [];
  first.readers.forEach(({ name }, reader) => {
    const wanted = Math.round((inputs * (shares[reader] ?? 0)) / sum);
    state.value[name] ??= { done: 0, read: 0, faults: 0 };
    for (let from = state.value[name].done; from < wanted; from += chunk) {
      tasks.push({ reader, from, to: Math.min(wanted, from + chunk) });
    }
  });
  /** Chunks are counted in order, so that an interrupted run continues after the last contiguous chunk. */
  const finished = new Map(first.readers.map(({ name }) => [name, new Map()]));
  const finish = (/** @type {Task} */ task, /** @type {Result} */ result) => {
    const name = first.readers[task.reader]?.name ?? '';
    const entry = state.value[name];
    const waiting = finished.get(name);
    if (entry === undefined || waiting === undefined) throw new RangeError(`there is no reader ${task.reader}`);
    waiting.set(task.from, { to: task.to, result });
    for (let next = waiting.get(entry.done); next !== undefined; next = waiting.get(entry.done)) {
      waiting.delete(entry.done);
      for (const { input, what } of next.result.faults) {
        if (entry.faults++ < described) onFault(`${name}, input ${input} of seed ${seed}: ${what}`);
      }
      entry.read += next.result.read;
      entry.done = next.to;
    }
    state.save();
  };
  await Promise.all([work(first, tasks, seed, finish), openWorker(seed).then((w) => work(w, tasks, seed, finish))]);
  return first.readers
    .filter(({ name }) => (state.value[name]?.done ?? 0) > 0)
    .map(({ name }) => {
      const { done, read, faults } = state.value[name] ?? { done: 0, read: 0, faults: 0 };
      return { name, inputs: done, read, faults };
    });
}

/** @typedef {Awaited<ReturnType<typeof openWorker>>} FuzzWorker */

/** @param {number} seed */
async function openWorker(seed) {
  const folder = mkdtempSync(join(tmpdir(), 'dm-fuzz-'));
  const progress = join(folder, 'input');
  const child = fork(program, [folder, progress, String(seed)], {
    execArgv: ['--max-old-space-size=700', '--no-warnings'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  /** @type {{ readers: { name: string, share: number }[] }} */
  const { readers } = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`the fuzzing process ended with ${signal ?? code}`)));
  });
  return {
    readers,
    child,
    current: () => readFileSync(progress).readUInt32LE(0),
    end: async () => {
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) {
        await Promise.race([new Promise((resolve) => void child.once('exit', resolve)), sleep(5000)]);
        child.kill('SIGKILL');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * @param {FuzzWorker} worker
 * @param {Task[]} tasks
 * @param {number} seed
 * @param {(task: Task, result: Result) => void} finish
 */
async function work(worker, tasks, seed, finish) {
  let current = worker;
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
    /** @type {Result} */
    const total = { read: 0, refused: 0, faults: [] };
    let { from } = task;
    while (from < task.to) {
      const { result, doneTo, isSpent } = await runTask(current, { ...task, from });
      total.read += result.read;
      total.refused += result.refused;
      total.faults.push(...result.faults);
      from = doneTo;
      if (isSpent) {
        await current.end();
        current = await openWorker(seed);
      }
    }
    finish(task, total);
  }
  await current.end();
}

/**
 * @param {FuzzWorker} worker
 * @param {Task} task
 * @returns {Promise<{ result: Result, doneTo: number, isSpent: boolean }>}
 */
function runTask({ child, current }, task) {
  return new Promise((resolve) => {
    let [last, since] = [-1, Date.now()];
    const watch = setInterval(() => {
      const now = current();
      if (now !== last) [last, since] = [now, Date.now()];
      else if (Date.now() - since > patience * 1000) fail(`no result within ${patience} s`);
    }, 500);
    const settle = () => {
      clearInterval(watch);
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    const onMessage = (/** @type {any} */ { doneTo, isSpent, ...result }) => {
      settle();
      resolve({ result, doneTo, isSpent });
    };
    const onExit = (/** @type {number | null} */ code, /** @type {string | null} */ signal) => {
      fail(`the process ended with ${signal ?? `code ${code}`}`);
    };
    const fail = (/** @type {string} */ what) => {
      settle();
      child.kill('SIGKILL');
      const input = Math.max(task.from, Math.min(current(), task.to - 1));
      // The results of this chunk's earlier inputs are lost with the process and are not counted as read.
      resolve({ result: { read: 0, refused: 0, faults: [{ input, what }] }, doneTo: input + 1, isSpent: true });
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.send(task);
  });
}
