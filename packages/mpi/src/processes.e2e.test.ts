// The built package in processes of mpirun, with every MPI library of this machine.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { launch, mpiLaunchers, type Launched, type TestLauncher } from './testing/index.js';

const built = pathToFileURL(fileURLToPath(new URL('../dist/index.js', import.meta.url))).href;
const folder = mkdtempSync(join(tmpdir(), 'dm-mpi-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const launchers = mpiLaunchers();
const libraries = { 'Open MPI': 'libmpi.so.40', MPICH: 'libmpich.so.12' };

let programs = 0;

/** Runs a module in `size` processes. `world` is open in it. */
function run(
  launcher: TestLauncher,
  size: number,
  body: string,
  env: Readonly<Record<string, string>> = {},
): Launched['ended'] {
  const file = join(folder, `program-${programs++}.mjs`);
  writeFileSync(
    file,
    `import * as mpi from ${JSON.stringify(built)};\nconst world = await mpi.openWorld();\n${body}\n`,
  );
  return launch(launcher, size, [file], env).ended;
}

describe.each(launchers)('under mpirun of $name', (launcher) => {
  it.each([2, 4])('%i ranks sum, gather and broadcast, also long arrays in shared memory', async (size) => {
    const body = `
      const { rank, size } = world;
      const long = new Float32Array(new SharedArrayBuffer(4 * 5_000_001)).fill(rank + 1);
      await world.sum(long);
      const sums = new Set(long);
      const doubles = Float64Array.of(rank, 0.5);
      await world.sum(doubles);
      const most = Int32Array.of(rank);
      await world.max(most);
      const lengths = (await world.gather(new Uint8Array(rank * 1500).fill(rank))).map((a) => a.length + ':' + (a.at(-1) ?? 0));
      const atOne = await world.gather(new Uint8Array(2000), { to: 1 });
      const sent = new Uint16Array(70_000).fill(rank);
      await world.broadcast(sent, 1);
      await world.barrier();
      const line = JSON.stringify([rank, size, world.localRank, world.localSize, [...sums], [...doubles], most[0], lengths, atOne.length, sent.at(-1)]);
      const lines = await world.gather(new TextEncoder().encode(line));
      if (rank === 0) for (const each of lines) console.log(new TextDecoder().decode(each));
      await world.close();`;
    const { code, out, error } = await run(launcher, size, body);
    expect([code, error]).toEqual([0, '']);
    const total = (size * (size + 1)) / 2;
    const lengths = Array.from({ length: size }, (_, rank) => `${rank * 1500}:${rank}`);
    const expected = Array.from({ length: size }, (_, rank) => [
      rank,
      size,
      rank,
      size,
      [total],
      [total - size, size / 2],
      size - 1,
      lengths,
      rank === 1 ? size : 0,
      1,
    ]);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(expected);
  });

  it('waits without blocking the event loop, and allows one call at a time', async () => {
    const body = `
      let ticks = 0;
      setInterval(() => ticks++, 10).unref();
      if (world.rank === 1) await new Promise((resolve) => setTimeout(resolve, 500));
      const waiting = world.barrier();
      const busy = await world.barrier().catch((error) => error.code);
      await waiting;
      await world.close();
      const closed = await world.barrier().catch((error) => error.code);
      if (world.rank === 0) console.log(ticks > 5, busy, closed);`;
    expect(await run(launcher, 2, body)).toEqual({ code: 0, out: 'true MPI_BUSY MPI_CLOSED\n', error: '' });
  });

  it.each([
    ['abort', 'world.abort(7)'],
    ['an uncaught error', `throw new Error('only here')`],
    ['the exit code 0', 'process.exit(0)'],
    ['SIGKILL', `process.kill(process.pid, 'SIGKILL')`],
  ])('ends all ranks if one ends with %s', async (_, end) => {
    const { code, out } = await run(
      launcher,
      3,
      `if (world.rank === 1) ${end};\nawait world.barrier();\nconsole.log('went past');`,
    );
    expect(code).not.toBe(0);
    expect(out).not.toContain('went past');
  });

  it('passes on the last words of a rank that ends all', async () => {
    // The launcher, which reads them, is paused for a moment.
    const body = `
      import { spawn } from 'node:child_process';
      if (world.rank === 1) {
        const { ppid } = process;
        const script = 'kill -STOP ' + ppid + '; echo; sleep 0.1; kill -CONT ' + ppid;
        const helper = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
        await new Promise((resolve) => helper.stdout.once('data', resolve));
        process.stderr.write('last words');
        world.abort(3);
      }
      await world.barrier();`;
    const { code, error } = await run(launcher, 3, body);
    expect(code).not.toBe(0);
    expect(error).toContain('last words');
  });

  it('names a rank that stops answering, and ends', async () => {
    const body = `
      world.describe('step 12');
      if (world.rank === 1) process.kill(process.pid, 'SIGSTOP');
      await world.barrier();`;
    const { code, error } = await run(launcher, 3, body, { DM_MPI_STALL_SECONDS: '2' });
    expect(code).not.toBe(0);
    for (const part of ['step 12', 'barrier', `rank 1 on ${hostname()}`]) expect(error).toContain(part);
  });

  it('names a rank that stops answering while the world is opened', async () => {
    const asleep = `
      import os from 'node:os';
      import { syncBuiltinESMExports } from 'node:module';
      if (Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK) === 1) {
        os.hostname = () => process.kill(process.pid, 'SIGSTOP');
        syncBuiltinESMExports();
      }
      const { openWorld } = await import(${JSON.stringify(built)});
      await openWorld();`;
    const file = join(folder, 'asleep.mjs');
    writeFileSync(file, asleep);
    const { code, error } = await launch(launcher, 2, [file], { DM_MPI_STALL_SECONDS: '2' }).ended;
    expect(code).not.toBe(0);
    for (const part of ['its start', 'gather', 'rank 1']) expect(error).toContain(part);
  });

  it('waits for a rank that has announced work that blocks it', async () => {
    const body = `
      const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
      const value = world.rank === 1 ? await world.busy(async () => { block(); return 5; }) : 0;
      await world.barrier();
      if (world.rank === 1) console.log(value);
      await world.close();`;
    const ended = await run(launcher, 2, body, { DM_MPI_STALL_SECONDS: '2' });
    expect(ended).toEqual({ code: 0, out: '5\n', error: '' });
  });

  it.runIf(launchers.length > 1)('refuses the library of another launcher, and names both', async () => {
    const other = libraries[launcher.name === 'MPICH' ? 'Open MPI' : 'MPICH'];
    const { code, error } = await run(launcher, 2, '', { DM_MPI_LIBRARY: other });
    expect(code).not.toBe(0);
    expect(error).toMatch(/MPI_MISMATCH/);
    expect(error).toContain(other);
    expect(error).toContain(launcher.name);
  });

  it('refuses arrays that are too long for MPI on all ranks, and continues', async () => {
    const body = `
      const bytes = new Uint8Array(world.rank === 0 ? 2 ** 31 : 1);
      const error = await world.gather(bytes).catch((thrown) => thrown);
      const next = await world.gather(new Uint8Array(3));
      const all = await world.gather(new TextEncoder().encode(error.name + next.length));
      if (world.rank === 0) console.log(all.map((each) => new TextDecoder().decode(each)).join(' '));
      await world.close();`;
    expect(await run(launcher, 2, body)).toEqual({ code: 0, out: 'RangeError2 RangeError2\n', error: '' });
  });

  it('opens a world once, and can end a process after it is closed', async () => {
    const body = `
      const again = await mpi.openWorld().catch((error) => error.code);
      if (world.rank === 0) console.log(again);
      await world.close();
      world.abort(0);`;
    expect(await run(launcher, 2, body)).toEqual({ code: 0, out: 'MPI_BUSY\n', error: '' });
  });

  it('tells a process of srun without PMI how to start it', async () => {
    const file = join(folder, 'alone.mjs');
    writeFileSync(
      file,
      `import { openWorld } from ${JSON.stringify(built)};
       const error = await openWorld().catch((thrown) => thrown);
       console.log(JSON.stringify([error.code, error.message]));`,
    );
    const slurm = { SLURM_STEP_NUM_TASKS: '2', SLURM_PROCID: '0', DM_MPI_LIBRARY: libraries[launcher.name] };
    const { status, stdout } = spawnSync(process.execPath, [file], { env: { ...process.env, ...slurm } });
    const [code, message] = JSON.parse(String(stdout)) as [string, string];
    expect([status, code]).toEqual([0, 'MPI_MISMATCH']);
    for (const part of ['srun', 'SLURM_STEP_NUM_TASKS=2', launcher.name, '--mpi=']) expect(message).toContain(part);
  });

  it('leaves other packages a large stack for asynchronous calls of koffi', async () => {
    const koffi = pathToFileURL(createRequire(import.meta.url).resolve('koffi')).href;
    const body = `
      const { default: koffi } = await import(${JSON.stringify(koffi)});
      if (world.rank === 0) console.log(koffi.config().async_stack_size >= 4 * 2 ** 20);
      await world.close();`;
    expect(await run(launcher, 2, body)).toEqual({ code: 0, out: 'true\n', error: '' });
  });

  it.runIf(process.platform === 'linux')(
    'changes neither the C library nor the exceptions of WebAssembly',
    async () => {
      // (module (memory 1) (func (export "load") (result i32) i32.const -4 i32.load))
      const module = '0061736d010000000105016000017f030201000503010001070801046c6f616400000a09010700417c2802000b';
      const body = `
      import { readFileSync } from 'node:fs';
      const maps = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
      const code = maps.filter((text) => /r-xp.*[/]libc[.-]/.test(text));
      const changed = code.reduce((sum, text) => sum + Number(/Private_Dirty: +(\\d+)/.exec(text)[1]), 0);
      const bytes = Buffer.from('${module}', 'hex');
      const { load } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
      let caught;
      try { load(); } catch (error) { caught = error.name; }
      if (world.rank === 0) console.log(code.length > 0, changed, caught);
      await world.close();`;
      expect(await run(launcher, 2, body)).toEqual({ code: 0, out: 'true 0 RuntimeError\n', error: '' });
    },
  );

  it('sums over a ring under Open MPI, unless the user chose something else', async () => {
    const variable = 'OMPI_MCA_coll_libnbc_iallreduce_algorithm';
    const body = `
      const values = new Float64Array([world.rank, 1]); // fewer elements than ranks
      await world.sum(values);
      if (world.rank === 0) console.log(process.env.${variable}, values.join());
      await world.close();`;
    expect(await run(launcher, 3, body)).toEqual({ code: 0, out: '1 3,3\n', error: '' });
    expect(await run(launcher, 3, body, { [variable]: '2' })).toEqual({ code: 0, out: '2 3,3\n', error: '' });
  });

  it('reports a library that does not exist', async () => {
    const { code, error } = await run(launcher, 2, '', { DM_MPI_LIBRARY: '/nowhere/libmpi.so' });
    expect(code).not.toBe(0);
    expect(error).toMatch(/MPI_MISSING/);
  });

  it('makes processes independent with DM_MPI=off, and one process a world without MPI', async () => {
    const body = 'console.log(world.size, world.library);';
    expect((await run(launcher, 2, body, { DM_MPI: 'off' })).out).toBe('1 undefined\n1 undefined\n');
    expect((await run(launcher, 1, body)).out).toBe('1 undefined\n');
  });
});
