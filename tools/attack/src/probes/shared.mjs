// Runs `dm` in a process that serves several probes.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cli } from '../dm.mjs';
/** @import { Outcome, Task } from './shared-worker.mjs' */

const program = fileURLToPath(new URL('shared-worker.mjs', import.meta.url));

/** @typedef {ReturnType<typeof createSharedDm>} SharedDm */

/** Starts a process when there is work, and another one after it died, was killed, or holds too much memory. */
export function createSharedDm() {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let child;

  const end = () => {
    child?.kill('SIGKILL');
    child = undefined;
  };
  const start = async () => {
    const { CI: _ci, DM_CACHE: _cache, XDG_CACHE_HOME: _xdg, ...env } = process.env;
    const started = fork(program, [cli], {
      env,
      execArgv: ['--expose-gc'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    child = started;
    // It may die between two runs.
    started.on('exit', () => {
      if (child === started) child = undefined;
    });
    await new Promise((resolve, reject) => {
      started.once('message', resolve);
      started.once('error', reject);
      started.once('exit', reject);
    });
    return started;
  };

  return {
    end,
    /**
     * @param {Task} task
     * @returns {Promise<{ child: import('node:child_process').ChildProcess, ended: Promise<Outcome | undefined> }>}
     *   `ended`: undefined if the process died
     */
    async run(task) {
      const running = child ?? (await start());
      /** @type {Promise<Outcome | undefined>} */
      const ended = new Promise((resolve) => {
        const settle = (/** @type {Outcome | undefined} */ outcome) => {
          running.off('message', settle);
          running.off('exit', onExit);
          if (outcome === undefined || outcome.isSpent) end();
          resolve(outcome);
        };
        const onExit = () => settle(undefined);
        running.on('message', /** @type {any} */ (settle));
        running.on('exit', onExit);
        running.send(task, (error) => {
          if (error !== null) settle(undefined);
        });
      });
      return { child: running, ended };
    },
  };
}
