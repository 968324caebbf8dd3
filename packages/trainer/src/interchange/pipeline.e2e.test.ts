// The built command and Python's diffusers open each other's pipelines and make the same images. Needs DM_PYTHON.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { normalBatch } from '@dm/core';
import { writeNpy } from '@dm/data';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { dm } from '../testing/command.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';

const python = process.env['DM_PYTHON'];
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with torch and diffusers' : '';
const script = fileURLToPath(new URL('../../../../tools/parity/pipeline_check.py', import.meta.url));
const steps = 10;

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
  const noise = normalBatch({ seed: 5, stream: 'sample', indices: [0, 1, 2, 3] }, [8, 8, 1]);
  await writeNpy(join(folder, 'noise.npy'), { shape: [...noise.shape], data: noise.data });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function command(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await dm(args, folder);
  expect(code, stderr).toBe(0);
  return stdout;
}

function checked(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(python!, [script, ...args], { cwd: folder, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Samples of a run from the noise, by DDIM, compared with those of a pipeline. */
async function compared(run: string, pipeline: string, noise = 'noise.npy'): Promise<string> {
  const sampler = ['--sampler', 'ddim', '--steps', String(steps)];
  await command('sample', '--run', run, '--noise', noise, '--out', 'samples.npy', ...sampler);
  return checked('sample', pipeline, noise, 'samples.npy', String(steps));
}

const dit = { patch_size: 4, num_layers: 2, num_attention_heads: 2, attention_head_dim: 8 };
const cases: Readonly<Record<string, { config: PartialConfig; says: RegExp }>> = {
  'a UNet that predicts epsilon': {
    config: {
      conditional: false,
      diffusion: { schedule: { type: 'linear' }, timesteps: 1000, prediction: { type: 'epsilon' } },
    },
    says: /^DDPMPipeline, epsilon: /,
  },
  'a UNet with classes that predicts v': { config: {}, says: /^DDPMPipeline, v_prediction: / },
  'a UNet that predicts x0 under zero terminal SNR': {
    config: {
      conditional: false,
      diffusion: { schedule: { type: 'scaled-linear', zeroTerminalSnr: true }, prediction: { type: 'x0' } },
    },
    says: /^DDPMPipeline, sample: /,
  },
  "diffusers' DiT": {
    config: { model: { type: 'dit-diffusers', ...dit }, optimizer: { lr: 1e-3 } },
    says: /^DiTPipeline, v_prediction: /,
  },
};

it.skipIf(python === undefined).each(Object.entries(cases))(
  `%s is trained, exported, opened in Python, and sampled the same${needs}`,
  { timeout: 120_000 },
  async (name, { config, says }) => {
    const run = name.replaceAll(/\W+/g, '-');
    writeFileSync(join(folder, 'tiny.json'), JSON.stringify({ ...tinyConfig(folder, 40), ...config }));
    await command('train', '--config', 'tiny.json', '--out', run, '--checkpoint-every', '0');
    await command('export', '--run', run, '--out', `${run}-pipeline`);
    expect(await compared(run, `${run}-pipeline`)).toMatch(says);
  },
);

it.skipIf(python === undefined)(
  `a pipeline from Python, in shards, in half precision, or of 32x32 RGB, is imported and sampled the same${needs}`,
  { timeout: 240_000 },
  async () => {
    checked('write', '.');
    expect(await command('import', 'shards', '--out', 'run-shards')).not.toContain('note');
    expect(await compared('run-shards', 'shards')).toMatch(/^DDPMPipeline, sample: /);
    expect(await command('import', 'half', '--out', 'run-half')).toMatch(/note: \d+ tensors .*F16/);
    expect(await compared('run-half', 'half')).toMatch(/^DDPMPipeline, sample: /);

    const noise = normalBatch({ seed: 6, stream: 'sample', indices: [0, 1] }, [32, 32, 3]);
    await writeNpy(join(folder, 'cifar-noise.npy'), { shape: [...noise.shape], data: noise.data });
    expect(await command('import', 'cifar', '--out', 'run-cifar')).not.toContain('note');
    expect(await compared('run-cifar', 'cifar', 'cifar-noise.npy')).toMatch(/epsilon: .*e-0[5-9]$/m);
  },
);
