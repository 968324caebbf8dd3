// What the built command makes of ONNX Runtime: nothing of it leaves the run's folder, and without koffi it goes by another road.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createPrivateUser,
  hasProgram,
  type PrivateUser,
  skipLoudly,
  straceTo,
  tracedLeaks,
  withoutKoffi,
} from '@dm/jit/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { presets } from '../config/presets.js';
import { dmUnder } from '../testing/command.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';

let user: PrivateUser;
let folder: string;
beforeEach(async () => {
  user = createPrivateUser();
  folder = await tinyFolder();
});
afterEach(() => {
  for (const path of [folder, user.folder]) rmSync(path, { recursive: true, force: true });
});

/** Arguments of a run on the default engine that samples, evaluates nothing and saves in a thread. */
function training(steps: number, changes: object = {}): string[] {
  const path = join(folder, 'run.json');
  const config = { ...tinyConfig(folder, steps), engine: 'onnx', sampleEvery: 2, ...changes };
  writeFileSync(path, JSON.stringify(config));
  return ['train', '--config', path, '--out', 'run'];
}

it('a training leaves no file but those of its run, and opens no socket', async ({ skip }) => {
  const trace = join(user.folder, 'trace');
  const traced = hasProgram('strace');
  const command = traced ? straceTo(trace) : [];
  const { code } = await dmUnder({ command }, training(40), folder, { env: user.env });
  expect(code).toBe(0);
  expect(user.leftBehind()).toEqual([]);
  if (!traced) skipLoudly(skip, 'no strace, so nothing tells which sockets a training opens');
  expect(tracedLeaks(readFileSync(trace, 'utf8'), [folder, 'run'])).toEqual([]);
});

describe('without koffi', () => {
  it('trains the model of the default preset, whose state is longer than what shared memory is for', async () => {
    const { model } = presets['mnist']!;
    const args = [...training(2, { model, sampleEvery: 0, batchSize: 2 }), '--json'];
    const { code, stdout, stderr } = await dmUnder({ node: withoutKoffi }, args, folder, { env: user.env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/"event":"end"/);
    expect(user.leftBehind()).toEqual([]);
    const { engine } = JSON.parse(readFileSync(join(folder, 'run/checkpoints/step-000002/manifest.json'), 'utf8')) as {
      engine: { info: { runtime: string } };
    };
    expect(engine.info.runtime).toMatch(/JavaScript API.*koffi.*\)$/);
  });

  it('dm doctor names the road, having tried it', async () => {
    const { code, stdout } = await dmUnder({ node: withoutKoffi }, ['doctor', '--json'], folder, { env: user.env });
    expect(code).toBe(0);
    const { engines, library } = JSON.parse(stdout) as {
      library: { path: string };
      engines: { name: string; device: string; works: boolean; info: object }[];
    };
    expect(library.path).toContain('onnxruntime');
    expect(engines[0]).toMatchObject({
      name: 'onnx',
      device: 'cpu',
      works: true,
      info: { runtime: expect.stringContaining('JavaScript API') as string },
    });
    expect(user.leftBehind()).toEqual([]);
  });
});
