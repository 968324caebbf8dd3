// What a diffusers folder of `dm export` must say besides the weights, for `dm import` and `fromPretrained`.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeNpz } from '@dm/data';
import { fromPretrained } from '@dm/models';
import { openEagerEngine } from '@dm/ops';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { validationLoss } from '../eval/validation/validation-loss.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { addTinyLatents, tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { exportModel } from './export.js';
import { importPipeline } from './import.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Trains for a step, exports, and imports; the samples of all three, and the config.json of the imported run. */
async function roundTrip(name: string, part: PartialConfig, guidance?: number) {
  const [run, pipeline, imported] = ['run', 'pipeline', 'imported'].map((kind) => join(folder, `${name}-${kind}`)) as [
    string,
    string,
    string,
  ];
  await train({ ...tinyConfig(folder, 1), ...part, out: run });
  await exportModel({ run, format: 'diffusers', out: pipeline });
  await importPipeline({ folder: pipeline, out: imported });
  const asked = { ...(guidance !== undefined && { guidance }), seed: 3, count: 3 };
  const [own, theirs] = [
    await generateSamples({ run, ...asked }),
    await generateSamples({ run: imported, engine: 'tfjs-cpu', ...asked }),
  ];
  const engine = await openEagerEngine('tfjs-cpu');
  const model = await fromPretrained(pipeline, { engine });
  const { data } = await model.sample({ ...(guidance !== undefined && { guidance }), seed: 3, n: 3 });
  await model.dispose();
  await engine.dispose();
  expect(theirs.images).toEqual(own.images);
  expect(data).toEqual(own.images);
  expect(theirs.labels).toEqual(own.labels);
  const config = JSON.parse(readFileSync(join(imported, 'config.json'), 'utf8')) as Record<string, unknown>;
  return { config, pipeline, imported };
}

it('the null class of a UNet trained with label dropout', async () => {
  const { config, pipeline, imported } = await roundTrip('guided', { labelDropout: 0.2 }, 1.5);
  expect(config).toMatchObject({ labelDropout: 0.1, model: { num_class_embeds: 3 } });
  // It can be trained further on its data, and is not measured on others without being told.
  const tuned = await train({
    ...tinyConfig(folder, 1),
    labelDropout: 0.1,
    initFrom: imported,
    out: join(folder, 'tuned'),
  });
  expect(tuned.status).toBe('finished');
  await expect(validationLoss({ run: imported })).rejects.toThrowWith({
    code: 'DATA_MISMATCH',
    contains: ['imported', '--data'],
  });
  // As from_config of another scheduler leaves it, with what Python writes for infinity.
  const scheduler = join(pipeline, 'scheduler/scheduler_config.json');
  const fields = readFileSync(scheduler, 'utf8').replace('{', '{ "lambda_min_clipped": -Infinity, "solver_order": 2,');
  writeFileSync(scheduler, fields);
  await importPipeline({ folder: pipeline, out: join(folder, 'converted') });
  expect(readFileSync(join(folder, 'converted/config.json'), 'utf8')).toBe(
    readFileSync(join(imported, 'config.json'), 'utf8'),
  );
});

it('a learned variance', async () => {
  const { config } = await roundTrip('variance', {
    diffusion: { timesteps: 20, variance: 'learnedRange' },
    sampler: { type: 'ddpm', steps: 3, variance: 'learnedRange' },
  });
  expect(config).toMatchObject({ diffusion: { variance: { type: 'learnedRange' } } });
});

it('the scale of latents', async () => {
  const data = await addTinyLatents(folder);
  const { config } = await roundTrip('latents', { data, conditional: false });
  expect(config).toMatchObject({ latents: { mean: { length: 4 }, scale: { length: 4 } } });
});

it('one class, also as an ONNX file', async () => {
  const data = join(folder, 'one.npz');
  const pixels = Uint8Array.from({ length: 9 * 64 }, (_, i) => (37 * i) % 256);
  await writeNpz(data, {
    images: { shape: [9, 8, 8, 1], data: pixels },
    labels: { shape: [9], data: new Int32Array(9) },
  });
  const { config, imported } = await roundTrip('one', { data });
  expect(config).toMatchObject({ model: { num_class_embeds: 1 } });
  const out = join(folder, 'one.onnx');
  await exportModel({ run: imported, out });
  const session = await InferenceSession.create(readFileSync(out), { intraOpNumThreads: 1 });
  const { out_sample: output } = await session.run({
    sample: new Tensor('float32', new Float32Array(2 * 64), [2, 1, 8, 8]),
    timestep: new Tensor('float32', [3, 5]),
    class_labels: new Tensor('int64', BigInt64Array.of(0n, 0n)),
  });
  expect(output!.dims).toEqual([2, 1, 8, 8]);
  await session.release();
});
