// The script that makes the file of weights: needs DM_PYTHON, a Python with torch and safetensors.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSafetensors } from '@dm/models';
import { float32 } from '@dm/ops';
import { expect, it, onTestFinished } from 'vitest';

const python = process.env['DM_PYTHON'];
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with torch and safetensors' : '';
const scripts = fileURLToPath(new URL('../../../../tools/extractors', import.meta.url));

it.skipIf(python === undefined)(`converts the public file by its hash alone, names and values kept${needs}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'dm-inception-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [source, target] = [join(folder, 'x.pth'), join(folder, 'x.safetensors')];

  writeFileSync(source, 'another file');
  const refused = spawnSync(python!, [join(scripts, 'inception_weights.py'), source, target], { encoding: 'utf8' });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/SHA-256 [0-9a-f]{64}.* 6726825d/);

  const script = [
    'import sys, torch, inception_weights as w',
    'source, target = sys.argv[1:]',
    "torch.save({'a.weight': torch.arange(6.).reshape(2, 3), 'a.num_batches_tracked': torch.tensor(1)}, source)",
    "w.PREFIX = ''",
    'w.convert(source, target)',
  ].join('\n');
  const made = spawnSync(python!, ['-c', script, source, target], { cwd: scripts, encoding: 'utf8' });
  expect(made.stderr).toBe('');
  const { tensors, metadata } = parseSafetensors(readFileSync(target));
  expect(tensors).toEqual({ 'a.weight': float32([0, 1, 2, 3, 4, 5], [2, 3]) });
  expect(metadata).toMatchObject({ source: 'x.pth', source_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
});
