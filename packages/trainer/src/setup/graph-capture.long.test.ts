// Training with graph capture on a software GPU, if there is one: the checkpoints of an uncaptured run, also resumed.
import { rmSync } from 'node:fs';
import { skipLoudly } from '@dm/jit/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import type { PartialConfig } from '../config/schema.js';
import { runFolder } from '../run/run-folder.js';
import { checkpointFiles } from '../testing/ranks.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { checkEngine } from './check-engine.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('has the bits of an uncaptured run, also after resuming', { timeout: 300_000 }, async ({ skip }) => {
  const works = await checkEngine('onnx', 'webgpu');
  if (!works.works) return skipLoudly(skip, works.reason);
  const config: PartialConfig = { ...tinyConfig(folder, 6), engine: 'onnx', device: 'webgpu' };
  const weightsOf = async (name: string, graphCapture: boolean, budgets: readonly (number | null)[]) => {
    const out = `${folder}/${name}`;
    for (const steps of budgets)
      await train({ ...config, graphCapture, budgets: { steps }, out }, { resume: steps === null });
    const { checkpoint } = latestCheckpoint(runFolder(out).checkpoints);
    expect(checkpoint!.manifest.engine.info['graphCapture']).toBe(graphCapture || undefined);
    return Object.entries(checkpointFiles(checkpoint!.path)).filter(([file]) => file.endsWith('.safetensors'));
  };
  const plain = await weightsOf('plain', false, [6]);
  expect(plain.length).toBeGreaterThan(0);
  expect(await weightsOf('captured', true, [6])).toEqual(plain);
  expect(await weightsOf('resumed', true, [3, null])).toEqual(plain);
});
