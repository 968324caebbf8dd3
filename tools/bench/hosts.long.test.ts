/**
 * Training over two hosts, which are network namespaces joined by a cable of 1 Gbit/s. `nx run mpi:hosts` requires root,
 * iproute2, and MPI. DM_MPI_SEED repeats the time of a failure.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { uniform } from '@dm/core';
import { train } from '@dm/trainer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { tinyConfig, tinyDit, writeJson, writeTinyData } from '../attack/src/tiny.mjs';
import { createHosts, hostLaunchers, hosts, missingForHosts } from './hosts.mjs';

const mpi = new URL('../../packages/mpi/dist/index.js', import.meta.url).href;
const cli = fileURLToPath(new URL('../../packages/trainer/dist/cli.js', import.meta.url));
const seed = Number(process.env['DM_MPI_SEED'] ?? Date.now() % 1_000_000);
const stallSeconds = 4;

const launchers = hostLaunchers();
const missing = missingForHosts() ?? (launchers.length === 0 ? 'MPI (Debian: openmpi-bin, mpich)' : undefined);
if (missing !== undefined) {
  const text = `the tests of two hosts need ${missing}`;
  if (process.env['DM_MPI_TESTS'] === 'required') throw new Error(text);
  process.stderr.write(`SKIPPED: ${text}\n`);
}

/** The files of a checkpoint. The manifest has times, so it is left out. */
function filesOf(checkpoint: string): Record<string, Buffer> {
  const names = readdirSync(checkpoint).filter((name) => name !== 'manifest.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(checkpoint, name))]));
}

function checkpointsOf(run: string): string[] {
  try {
    return readdirSync(join(run, 'checkpoints')).filter((name) => name.startsWith('step-'));
  } catch {
    return [];
  }
}

describe.skipIf(missing !== undefined)('two hosts', () => {
  let folder: string;
  let data: string;
  let pair: Awaited<ReturnType<typeof createHosts>>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dm-hosts-test-'));
    data = await writeTinyData(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    pair = await createHosts({ gbits: 1 });
  });
  afterEach(() => pair.remove());

  const config = (out: string, steps: number) =>
    ({
      ...tinyConfig(data, steps),
      model: { ...tinyDit, type: 'dit' },
      engine: 'onnx',
      threads: 1,
      checkpoints: { every: 2, keepLast: 2 },
      out,
    }) as const;

  describe.each(launchers)('under mpirun of $name', (launcher) => {
    it('one rank on each host equals one process with two micro-batches, to the bit', async () => {
      const two = join(folder, `${launcher.name}-two`);
      const path = writeJson(join(folder, 'config.json'), config(two, 4));
      const { code, error } = await pair.run(launcher, [cli, 'train', '--config', path]);
      expect(code, error).toBe(0);
      await pair.idle(30);
      // The gradients went over the cable.
      expect(Math.min(...pair.sentBytes())).toBeGreaterThan(4 * 4000);
      const one = await train({ ...config(join(folder, `${launcher.name}-one`), 4), gradientAccumulation: 2 });
      const last = checkpointsOf(two).toSorted().at(-1)!;
      expect(filesOf(join(two, 'checkpoints', last))).toEqual(filesOf(one.checkpoint));
    });

    it('UCX sends long messages without rendezvous', async () => {
      const program = join(folder, 'settings.mjs');
      writeFileSync(
        program,
        `import { openWorld } from ${JSON.stringify(mpi)};
         const world = await openWorld();
         const own = String(process.env.UCX_RNDV_THRESH);
         const all = await world.gather(new TextEncoder().encode(own));
         if (world.rank === 0) console.log(all.map((bytes) => new TextDecoder().decode(bytes)).join());
         await world.close();`,
      );
      const valueOf = async (env: Record<string, string>) => (await pair.run(launcher, [program], env)).out.trim();
      expect(await valueOf({})).toBe('inf,inf');
      // The value of the user, which Open MPI does not pass on to other hosts.
      expect(await valueOf({ UCX_RNDV_THRESH: 'auto' })).toMatch(/^auto,/);
      await pair.idle(30);
    });

    it(`a cut cable ends all processes and names the lost rank and its host (seed ${seed})`, async () => {
      const out = join(folder, `${launcher.name}-cut`);
      const path = writeJson(join(folder, 'config.json'), config(out, 100_000));
      const running = pair.run(launcher, [cli, 'train', '--config', path], {
        DM_MPI_STALL_SECONDS: String(stallSeconds),
      });
      await vi.waitUntil(() => checkpointsOf(out).length > 0, { timeout: 120_000, interval: 20 });
      const [after] = uniform({ seed, stream: 'order', step: 0, index: 0 }, 1);
      await new Promise((resolve) => setTimeout(resolve, 1000 * after));
      pair.cut();
      const { code, error } = await running;
      expect(code).not.toBe(0);
      for (const part of ['step ', `rank 1 on ${hosts[1]}`]) expect(error).toContain(part);
      await pair.idle(60);
      const [saved] = checkpointsOf(out).toSorted().slice(-1);
      await pair.mend();
      const resumed = await pair.run(launcher, [
        cli,
        'train',
        '--resume',
        '--out',
        out,
        '--step-budget',
        '2',
        '--json',
      ]);
      expect(resumed.code, resumed.error).toBe(0);
      const { step } = JSON.parse(resumed.out.trim().split('\n').at(-1)!) as { readonly step: number };
      expect(step).toBe(Number(saved.slice('step-'.length)) + 2);
      await pair.idle(30);
      expect(readdirSync(out)).not.toContain('run.lock');
    });
  });
});
