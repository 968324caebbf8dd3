/**
 * Two ranks of mpirun on the device `webgpu`, which they share: a software GPU on machines without a card. Skipped if there
 * is no device or no MPI.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { skipLoudly } from '@dm/jit/testing';
import { launch, mpiLaunchers } from '@dm/mpi/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PartialConfig } from './config/schema.js';
import { readMetrics } from './run/metrics.js';
import { checkEngine } from './setup/check-engine.js';
import { checkpointFiles, rankConfig } from './testing/ranks.js';
import { tinyFolder } from './testing/tiny.js';
import { train } from './train.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let reason: string | undefined;
beforeAll(async () => {
  const report = await checkEngine('onnx', 'webgpu');
  if (!report.works) reason = report.reason;
  if (reason !== undefined && process.env['DM_WEBGPU'] === 'required') throw new Error(reason);
});

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const onDevice: PartialConfig = { engine: 'onnx', device: 'webgpu', threads: 1, totalSteps: 3 };

describe.each(mpiLaunchers())('two ranks on one device under mpirun of $name', (launcher) => {
  const trainTwo = (env: Readonly<Record<string, string>>) => {
    const path = join(folder, 'config.json');
    writeFileSync(path, JSON.stringify(rankConfig(folder, 'two', onDevice)));
    return launch(launcher, 2, [cli, 'train', '--json', '--config', path], env).ended;
  };
  const losses = (out: string) => readMetrics(join(folder, out, 'metrics.jsonl')).map(({ loss }) => loss);

  it('train as one process with two micro-batches does, to the bit', async ({ skip }) => {
    if (reason !== undefined) return skipLoudly(skip, reason);
    const { code, error } = await trainTwo({ DM_SHARE_DEVICE: '1' });
    expect(code, error).toBe(0);
    const one = await train(rankConfig(folder, 'one', { ...onDevice, gradientAccumulation: 2 }));
    expect(JSON.parse(readFileSync(join(folder, 'two', 'config.json'), 'utf8'))).toMatchObject({ device: 'webgpu' });
    expect(losses('two')).toHaveLength(3);
    expect(losses('two')).toEqual(losses('one'));
    expect(checkpointFiles(join(folder, 'two', 'checkpoints', 'step-000003'))).toEqual(checkpointFiles(one.checkpoint));
  });

  it('are refused without DM_SHARE_DEVICE, by one error that names the device', async ({ skip }) => {
    if (reason !== undefined) return skipLoudly(skip, reason);
    const { code, out } = await trainTwo({});
    expect(code).toBe(1);
    const errors = out.split('\n').filter((line) => line.includes('"event":"error"'));
    expect(errors.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({
        code: 'ENGINE_UNSUITABLE',
        message: expect.stringMatching(/webgpu.*DM_SHARE_DEVICE=1/),
      }),
    ]);
    expect(existsSync(join(folder, 'two'))).toBe(false);
  });
});
