// Kills a command that writes a file or a folder, and checks that its output is either missing or complete.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDm } from '../dm.mjs';
import { createRandom } from '../random.mjs';
import { tree, treeChanges } from '../tree.mjs';

/**
 * @typedef {object} OutputKills
 * @property {number} kills
 * @property {number} midWrite kills that left an unfinished temporary file or folder
 * @property {number} finished kills after the output was complete
 */

/** Delay before each chunk of a file, in half of the attempts, so that a kill is likely to hit a write. */
const slowWriteMs = 5;
const patienceMs = 200_000;

/**
 * @param {string} folder
 * @param {readonly string[]} args of the command, which runs in an empty folder
 * @param {number} seed
 * @param {number} stream
 * @param {OutputKills} outcome updated in place
 * @returns {Promise<() => Promise<string>>} kills once and returns a description; rejects with an Error on a violation
 */
export async function outputKiller(folder, args, seed, stream, outcome) {
  const whole = join(folder, `whole-${stream}`);
  mkdirSync(whole, { recursive: true });
  const before = performance.now();
  await toTheEnd(args, whole);
  const durationMs = performance.now() - before;
  const expected = tree(whole);
  const work = join(folder, `killed-${stream}`);
  const [name = ''] = readdirSync(whole);
  let attempts = outcome.kills;

  return async () => {
    for (;;) {
      const random = createRandom(seed, stream, attempts++);
      rmSync(work, { recursive: true, force: true });
      mkdirSync(work);
      const whileWriting = random.chance(0.5);
      const signal = random.chance(0.25) ? 'SIGTERM' : 'SIGKILL';
      const env = { ...process.env, DM_TEST_SLOW_WRITE: String(whileWriting ? slowWriteMs : 0) };
      const { child, ended } = startDm(args, { cwd: work, env });
      const isOver = () => child.exitCode !== null || child.signalCode !== null;
      if (whileWriting) {
        while (!isOver() && readdirSync(work).length === 0) await sleep(1);
        await sleep(random.uniform() * 40);
      } else await sleep(durationMs * (0.2 + random.uniform()));
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      const { code, signal: died, stderr } = await ended;
      clearTimeout(timer);
      const what = `dm ${args.join(' ')}, ${signal}, attempt ${attempts - 1}`;
      if (signal === 'SIGTERM' && died === 'SIGKILL') throw new Error(`${what}: no end within ${patienceMs} ms`);
      if (code === 0) continue;
      if (died !== signal && code !== 143) throw new Error(`${what}: ended by itself with ${died ?? code}: ${stderr}`);
      const left = tree(work);
      const isThere = existsSync(join(work, name));
      const isOurs = (/** @type {string} */ path) => path === name || path.startsWith(`${name}/`);
      const cut = treeChanges(expected, left).filter(isOurs);
      if (isThere && cut.length > 0) throw new Error(`${what}: ${cut[0]} is not whole under its final name`);
      outcome.kills++;
      const leftover = [...left.keys()].find((path) => !isOurs(path));
      outcome.midWrite += Number(leftover !== undefined);
      outcome.finished += Number(isThere);
      if (leftover !== undefined || attempts % 10 === 0) {
        if (isThere) rmSync(join(work, name), { recursive: true });
        await toTheEnd(args, work);
        const [other] = treeChanges(expected, tree(work));
        if (other !== undefined)
          throw new Error(`${what}: after a second start ${other} is not as after an unbroken one`);
      }
      return `${signal}: ${isThere ? 'whole' : 'nothing'} under the final name${leftover === undefined ? '' : `, ${leftover} removed later`}`;
    }
  };
}

/** @param {readonly string[]} args @param {string} cwd */
async function toTheEnd(args, cwd) {
  const { code, signal, stderr } = await startDm(args, { cwd }).ended;
  if (code !== 0) throw new Error(`dm ${args.join(' ')} ended with ${signal ?? code}: ${stderr}`);
}
