// diffusers' own train_unconditional.py trains with our tables. Needs DM_PYTHON, a Python with torch, torchvision,
// accelerate, datasets, tensorboard and Pillow, and DIFFUSERS_SRC, the folder src of a clone of diffusers.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { momentumDecay } from '@dm/optim';
import { expect, it } from 'vitest';
import { dm } from '../testing/command.js';

const { DM_PYTHON: python, DIFFUSERS_SRC: source } = process.env;
const isReady = python !== undefined && source !== undefined;
const needs = isReady ? '' : ': SKIPPED, set DM_PYTHON and DIFFUSERS_SRC';
const script = fileURLToPath(new URL('../../../../tools/parity/tables_check.py', import.meta.url));
const steps = 20;

it.skipIf(!isReady).each(['uniform', 'clts'])(
  `train_unconditional.py trains ${steps} steps with the table of %s and MDLRC${needs}`,
  { timeout: 900_000 },
  async (schedule) => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-diffusers-'));
    try {
      const curriculum = [
        'curriculum',
        'table',
        '--schedule',
        schedule,
        '--timesteps',
        '1000',
        '--steps',
        String(steps),
      ];
      expect(await dm([...curriculum, '--out', 'curriculum.npz'], folder)).toMatchObject({ code: 0 });
      const optimizer = ['optim', 'table', '--lr', '1e-3', '--steps', String(steps), '--out', 'mdlrc.npz'];
      expect(await dm(optimizer, folder)).toMatchObject({ code: 0 });
      const trained = spawnSync(python!, [script, 'train', 'curriculum.npz', 'mdlrc.npz', 'run', '1'], {
        cwd: folder,
        encoding: 'utf8',
      });
      expect(trained.status, trained.stderr).toBe(0);
      const seen = JSON.parse(trained.stdout) as Record<'lr' | 'beta1' | 'losses', number[]> & {
        timesteps: number[][];
      };
      const { lr, beta1 } = momentumDecay({ lr: 1e-3, totalSteps: steps });
      const each = Array.from({ length: steps }, (_, step) => step);
      // The script's own scheduler warms up a rate of 0.5.
      expect(seen).toMatchObject({ lr: each.map(lr), beta1: each.map(beta1) });
      expect(seen.losses).toHaveLength(steps);
      const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
      expect(mean(seen.losses.slice(-5))).toBeLessThan(0.8 * mean(seen.losses.slice(0, 5)));
      // The same timesteps as Sampler draws by itself from this seed.
      const drawn = spawnSync(python!, [script, 'draws', 'curriculum.npz', '8', String(steps), '1'], {
        cwd: folder,
        encoding: 'utf8',
      });
      expect(seen.timesteps).toEqual(JSON.parse(drawn.stdout));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
