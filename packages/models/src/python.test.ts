// diffusers loads the files that this package writes. Needs DM_PYTHON, a Python with torch and diffusers (or
// DIFFUSERS_SRC).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEagerEngine } from '@dm/ops';
import { expect, it } from 'vitest';
import { diffusersJson } from './diffusers-json.js';
import { initialize } from './initialize.js';
import { caseModel, modelCaseInputs, modelCases } from './testing/model-cases.js';
import { formatSafetensors } from './safetensors/format.js';
import { toTorch, transpose } from './torch-layout.js';

const python = process.env['DM_PYTHON'];

const unets = modelCases.filter(
  ({ model, heavy, labels, config, edm }) =>
    edm === undefined && model === 'UNet2DModel' && heavy !== true && labels === undefined && !('dropout' in config),
);

const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with torch and diffusers' : '';

it.skipIf(python === undefined).each(unets)(
  `diffusers opens $name and computes the same${needs}`,
  async (modelCase) => {
    const model = caseModel(modelCase);
    const weights = initialize(model, 11);
    const { x, t } = modelCaseInputs(modelCase, model);
    const engine = await openEagerEngine('tfjs-cpu');
    const program = engine.compile((state, inputs) => ({
      outputs: { y: model.apply(state, inputs['x']!, inputs['t']!) },
    }));
    const { y } = await program.run(await program.load(weights), { x: x!, t: t! });
    await engine.dispose();

    const folder = mkdtempSync(join(tmpdir(), 'dm-models-'));
    try {
      const toNchw = [0, 3, 1, 2];
      const check = { x: transpose(x!, toNchw), t: t!, y: transpose(y!, toNchw) };
      writeFileSync(join(folder, 'config.json'), diffusersJson(model.kind, model.config as object));
      writeFileSync(join(folder, 'check.safetensors'), formatSafetensors(check));
      writeFileSync(
        join(folder, 'diffusion_pytorch_model.safetensors'),
        formatSafetensors(toTorch(model, weights), { format: 'pt' }),
      );
      const script = fileURLToPath(new URL('../../../tools/parity/models_load.py', import.meta.url));
      const { status, stdout, stderr } = spawnSync(python!, [script, folder], { encoding: 'utf8' });
      expect(`${stdout}${status === 0 ? '' : stderr}`).toMatch(/^difference \d\.\de-0[5-9]\n$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
