// Effects of the built engine on its process: files, sockets, threads, memory. Each case runs in a separate process.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowedProcessors } from './processors.js';
import {
  createPrivateUser,
  hasProgram,
  skipLoudly,
  type PrivateUser,
  straceTo,
  tracedLeaks,
  withoutKoffi,
} from './testing/index.js';

let user: PrivateUser;
beforeEach(() => {
  user = createPrivateUser();
});
afterEach(() => rmSync(user.folder, { recursive: true, force: true }));

const packageFolder = new URL('../../', import.meta.url);

/** Imports of the library, and a program that computes 2 w x with w = x = 2. */
const prelude = `
import { createRequire } from 'node:module';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
const require = createRequire(${JSON.stringify(packageFolder.href)});
const tf = require('@tensorflow/tfjs-core');
const { createJavaScriptRuntime, openOnnxEngine } = await import(${JSON.stringify(new URL('dist/index.js', packageFolder).href)});
const vector = (length) => ({ dtype: 'float32', shape: [length], data: new Float32Array(length).fill(2) });
const step = ({ w }, { x }) => {
  const next = tf.mul(w, x);
  return { state: { w: next }, outputs: { total: tf.sum(next) } };
};
const compute = async (options = {}, length = 3) => {
  const engine = await openOnnxEngine(options);
  const program = engine.compile(step, { name: 'step' });
  const handle = await program.load({ w: vector(length) });
  await program.run(handle, { x: vector(length) });
  const { total } = await program.run(handle, { x: vector(length) });
  console.log(total.data[0] === 8 * length ? 'right' : 'wrong: ' + total.data[0], engine.info.runtime);
  return { engine, program, handle };
};
`;

/** Runs a program with the Node options `node`, under a command such as `taskset -c 0`. */
function run(program: string, { node = [], under = [], env = {} }: RunOptions = {}) {
  const path = join(user.folder, 'program.mjs');
  writeFileSync(path, prelude + program);
  const [file, ...args] = [...under, process.execPath, '--no-warnings', ...node, path];
  const { status, signal, stdout, stderr, error } = spawnSync(file, args, {
    cwd: user.folder,
    env: { ...user.env, ...env },
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (error !== undefined) throw error;
  return { status, signal, stdout, stderr };
}

interface RunOptions {
  readonly node?: readonly string[];
  readonly under?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** The same program in a worker thread, whose `process.env` is a copy. */
const inWorker = (program: string): string =>
  `if (isMainThread) new Worker(new URL(import.meta.url), { env: {} }); else { ${program} }`;

const rightBy = (road: string) => ({
  status: 0,
  signal: null,
  stderr: '',
  stdout: expect.stringMatching(new RegExp(`^right .*${road}`)) as string,
});

const ofUser = 'await compute({ runtime: createJavaScriptRuntime(require("onnxruntime-node"), "JavaScript API") });';
/** Replaces `process.env` by a copy, as some test runners do. */
const copied = 'process.env = { ...process.env };';

const roads: readonly [name: string, road: string, program: string, hasKoffi: boolean][] = [
  ['the C API', 'C API', 'await compute();', true],
  ['the C API with a copy of process.env', 'C API', `${copied} await compute();`, true],
  ['the C API in a worker', 'C API', inWorker('await compute();'), true],
  ['the JavaScript API', 'JavaScript API', 'await compute();', false],
  ['the JavaScript API in a worker', 'JavaScript API', inWorker('await compute();'), false],
  ['the JavaScript API of the user', 'JavaScript API', ofUser, true],
  ['the JavaScript API of the user in a worker', 'JavaScript API', inWorker(ofUser), true],
];

describe.each(roads)('by %s', (_, road, program, hasKoffi) => {
  it('leaves no log, device id or database', () => {
    expect(run(program, { node: hasKoffi ? [] : withoutKoffi })).toEqual(rightBy(road));
    expect(user.leftBehind()).toEqual([]);
  });
});

it.for(roads.slice(0, 1).concat(roads.slice(3, 4)))(
  'opens no socket, and no file to write to, by %s',
  ([, road, program, hasKoffi], { skip }) => {
    if (!hasProgram('strace')) return skipLoudly(skip, 'no strace, so nothing tells which sockets are opened');
    const trace = join(user.folder, 'trace');
    const under = straceTo(trace);
    // Events are sent with a delay.
    expect(run(`${program} await sleep(3000);`, { node: hasKoffi ? [] : withoutKoffi, under })).toEqual(rightBy(road));
    expect(tracedLeaks(readFileSync(trace, 'utf8'))).toEqual([]);
  },
);

it('does not set the variable of ONNX Runtime if the user opted in to telemetry', () => {
  // CI is set, so that this test sends no events.
  const program = `await compute();
    const get = require('koffi').load(null).func('const char *getenv(const char *)');
    const native = process.platform === 'win32' ? null : get('ORT_DISABLE_TELEMETRY');
    console.log(process.env.ORT_DISABLE_TELEMETRY + ' ' + native); // one string, because values are colored if FORCE_COLOR is set`;
  const wanted = run(program, { env: { CI: '1', DM_ORT_TELEMETRY: '1' } });
  expect(wanted).toEqual(rightBy('C API'));
  expect(wanted.stdout).toMatch(/\nundefined null\n$/);
  const unclear = run(program, { env: { CI: '1', DM_ORT_TELEMETRY: 'true' } });
  expect(unclear.stdout).toMatch(/\n1 (1|null)\n$/);
});

describe('memory that the runtime uses', () => {
  const collect = 'for (let i = 0; i < 20; i++) { gc(); await sleep(5); }';

  it('is not moved or freed by garbage collections, and the library is not unloaded', () => {
    const program = `
      const engine = await openOnnxEngine({ convolutions: 'plain', threads: 2 });
      ${collect}
      const collecting = setInterval(gc, 1);
      for (let round = 0; round < 3; round++) {
        const made = await compute({ convolutions: 'plain', threads: 2 }, 1000);
        ${collect}
        await made.program.run(made.handle, { x: vector(1000) });
        made.handle.dispose();
        if (round % 2 === 0) await made.engine.dispose();
      }
      clearInterval(collecting);`;
    expect(run(program, { node: ['--expose-gc'] })).toEqual(rightBy('C API'));
  });

  it('outlives a worker that used it', () => {
    const program = `
      if (isMainThread) {
        await compute({ threads: 2 });
        for (let i = 0; i < 2; i++) {
          const worker = new Worker(new URL(import.meta.url));
          await new Promise((resolve) => worker.once('message', resolve));
          await worker.terminate();
          ${collect}
        }
        await compute({ threads: 2 });
      } else {
        await compute({ threads: 2 });
        parentPort.postMessage('computed');
        await sleep(60_000);
      }`;
    expect(run(program, { node: ['--expose-gc'] })).toEqual(rightBy('C API'));
  });
});

describe('state of 2^19 elements and more', () => {
  const large = 'await compute({ threads: 2 }, 2 ** 19 + 5);';

  it('works with the C API', () => {
    expect(run(large)).toEqual(rightBy('C API'));
  });

  it('works with the JavaScript API', () => {
    expect(run(large, { node: withoutKoffi })).toEqual(rightBy('JavaScript API'));
  });
});

describe('a device', () => {
  const onDevice = "{ device: 'webgpu', threads: 1 }";

  it('is refused without koffi, with the reason', () => {
    const program = `await openOnnxEngine(${onDevice}).catch(({ code, message }) => console.log(code, message));`;
    const { status, stdout } = run(program, { node: withoutKoffi });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^DEVICE_UNUSABLE .*koffi/);
  });

  it('is refused in a worker thread', () => {
    const program = `if (isMainThread) new Worker(new URL(import.meta.url));
      else await openOnnxEngine(${onDevice}).catch(({ code, message }) => console.log(code, message));`;
    const { status, stdout } = run(program);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^DEVICE_UNUSABLE .*worker thread/);
  });

  /** Each once crashed the process, by SIGSEGV or abort. */
  it.for<[name: string, program: string]>([
    ['calls at the same time', `await Promise.all([1, 2, 3].map(() => compute(${onDevice}, 1000)));`],
    [
      'state freed during a run',
      `const { program, handle } = await compute(${onDevice}, 2 ** 18);
       const other = await program.load({ w: vector(2 ** 18) });
       const running = program.run(handle, { x: vector(2 ** 18) });
       other.dispose();
       await running;`,
    ],
    [
      'garbage collections',
      `const { program, handle } = await compute(${onDevice}, 2 ** 18);
       for (let i = 0; i < 10; i++) { gc(); await program.run(handle, { x: vector(2 ** 18) }); await program.load({ w: vector(9) }); gc(); }`,
    ],
    [
      'an engine disposed of before its state',
      `const { engine, handle } = await compute(${onDevice}, 2 ** 18);
       await engine.dispose();
       await handle.read().then(() => console.log('read'), ({ code }) => console.log(code));
       handle.dispose();`,
    ],
    ['the exit of the process with everything open', `await compute(${onDevice}, 2 ** 18); process.exit(0);`],
  ])('survives %s', ([, program], { skip }) => {
    const found = run(program, { node: ['--expose-gc'] });
    if (/DEVICE_UNUSABLE/.test(found.stderr)) return skipLoudly(skip, found.stderr);
    expect(found).toMatchObject({ status: 0, signal: null, stderr: '' });
    expect(found.stdout).toMatch(/^right .*C API/);
  });
});

describe('threads', () => {
  /** Prints the processors on which each thread may run while an engine computes. */
  const program = (options: string) => `
    await compute(${options}, 2 ** 19);
    const threads = readdirSync('/proc/self/task').map((id) => readFileSync('/proc/self/task/' + id + '/status', 'utf8'));
    console.log(JSON.stringify([...new Set(threads.map((status) => /^Cpus_allowed_list:\\s*(.*)$/m.exec(status)[1]))]));`;

  it.for<[name: string, options: string, hasKoffi: boolean]>([
    ['of the C API', '{}', true],
    ['of the C API, two of them', '{ threads: 2 }', true],
    ['of the JavaScript API', '{}', false],
  ])('%s keep to the processors that the process is bound to', async ([, options, hasKoffi], { skip }) => {
    if (!hasProgram('taskset')) return skipLoudly(skip, 'no taskset, so no process can be bound to a processor');
    const allowed = await allowedProcessors();
    if (allowed.length < 2) return skipLoudly(skip, 'one processor, which no thread can leave');
    for (const processor of [allowed[0]!, allowed.at(-1)!].map(String)) {
      const under = ['taskset', '-c', processor];
      const found = run(program(options), { node: hasKoffi ? [] : withoutKoffi, under });
      expect(found).toEqual(rightBy(hasKoffi ? 'C API' : 'JavaScript API'));
      expect(JSON.parse(found.stdout.split('\n').at(-2)!)).toEqual([processor]);
    }
  });
});
