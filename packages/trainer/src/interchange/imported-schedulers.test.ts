// Imported pipelines make the images that diffusers makes under the same scheduler: tools/parity/import_fixture.py.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNpy } from '@dm/data';
import { formatSafetensors, readScheduler, unet2d } from '@dm/models';
import { caseWeights, hashed } from '@dm/models/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generateSamples } from '../sampling/generate-samples.js';
import { exportModel } from './export.js';
import fixture from './fixtures/imported-schedulers.json' with { type: 'json' };
import { importPipeline } from './import.js';

let folder: string;
const weights = formatSafetensors(caseWeights(unet2d(fixture.config as never)), { format: 'pt' });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dm-schedulers-'));
  const noise = hashed('noise', 128).map((value) => 1.7 * value);
  await writeNpy(join(folder, 'noise.npy'), { shape: [...fixture.shape], data: Float32Array.from(noise) });
});
afterAll(() => rmSync(folder, { recursive: true }));

function writePipeline(path: string, scheduler: { readonly _class_name: string }): void {
  for (const name of ['unet', 'scheduler']) mkdirSync(join(path, name), { recursive: true });
  const index = { scheduler: ['diffusers', scheduler._class_name], unet: ['diffusers', 'UNet2DModel'] };
  writeFileSync(join(path, 'model_index.json'), JSON.stringify({ _class_name: 'DDPMPipeline', ...index }));
  writeFileSync(join(path, 'scheduler/scheduler_config.json'), JSON.stringify(scheduler));
  writeFileSync(join(path, 'unet/config.json'), JSON.stringify(fixture.config));
  writeFileSync(join(path, 'unet/diffusion_pytorch_model.safetensors'), weights);
}

it.each(fixture.cases.map((given, i) => ({ ...given, i })))(
  '$i: $options in $steps steps, and the exported pipeline has the same scheduler',
  async ({ i, file, steps, images }) => {
    const [pipeline, run, exported] = ['pipeline', 'run', 'exported'].map((name) => join(folder, `${name}-${i}`));
    writePipeline(pipeline!, file);
    const notes: string[] = [];
    await importPipeline({ folder: pipeline!, out: run!, onNote: (note) => notes.push(note) });
    const made = await generateSamples({ run: run!, steps, noise: join(folder, 'noise.npy') });
    expect(notes).toEqual([]);
    expect([...made.images]).toBeAllClose(images, { atol: 1e-3 });

    await exportModel({ run: run!, format: 'diffusers', out: exported!, onNote: (note) => notes.push(note) });
    expect(notes).toEqual([]);
    const written = JSON.parse(readFileSync(join(exported!, 'scheduler/scheduler_config.json'), 'utf8')) as typeof file;
    expect(readScheduler(written, 'written')).toEqual(readScheduler(file, 'written'));
  },
  60_000,
);
