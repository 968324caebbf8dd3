// Every small model of @dm/models as a file, at batch sizes other than those it was made from, beside the engine `tfjs-cpu`.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatSafetensors, loadWeights, parseSafetensors, toTorch, transpose } from '@dm/models';
import { caseModel, caseWeights, type ModelCase, modelCases } from '@dm/models/testing';
import { normalBatch } from '@dm/core';
import { openEagerEngine, float32, type NdArray, oneHot } from '@dm/ops';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it, onTestFinished } from 'vitest';
import { denoiserOnnx } from './onnx-denoiser.js';

const python = process.env['DM_PYTHON'];
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with onnx and onnxruntime' : '';
const small = modelCases.filter(({ heavy }) => heavy !== true);
const batches = [1, 2, 5];

/** The file, the weights in it, and for each batch size its inputs and, by the engine `tfjs-cpu`, its output. NCHW. */
async function exported(modelCase: ModelCase) {
  const model = caseModel(modelCase);
  const weights = loadWeights(model, caseWeights(model));
  const engine = await openEagerEngine('tfjs-cpu');
  const program = engine.compile((state, { x, t, cond }) => ({
    outputs: { y: model.apply(state, x!, t!, cond === undefined ? {} : { cond }) },
  }));
  const state = await program.load(weights);
  const runs: Record<string, NdArray>[] = [];
  for (const n of batches) {
    const indices = Array.from({ length: n }, (_, i) => i);
    const x = normalBatch({ seed: 3, stream: 'evaluation', indices }, model.inputShape);
    // Of the case, since a learned table has few rows, and EDM's networks take small numbers.
    const { timesteps } = modelCase;
    const timestep = float32(indices.map((i) => timesteps[i % timesteps.length]!));
    const labels = indices.map((i) => (i + 1) % model.condDim);
    const { y } = await program.run(state, {
      x,
      t: timestep,
      ...(model.condDim > 0 && { cond: oneHot(labels, model.condDim) }),
    });
    runs.push({
      sample: transpose(x, [0, 3, 1, 2]),
      timestep,
      ...(model.condDim > 0 && { class_labels: { dtype: 'int32', shape: [n], data: Int32Array.from(labels) } }),
      out_sample: transpose(y!, [0, 3, 1, 2]),
    });
  }
  await engine.dispose();
  const torch = toTorch(model, weights);
  return { file: denoiserOnnx(model, torch, { metadata: { case: modelCase.name } }), weights: torch, runs };
}

it.each(small)('$name as a file computes the same at batches 1, 2 and 5', async (modelCase) => {
  const { file, runs } = await exported(modelCase);
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  for (const port of [...session.inputMetadata, ...session.outputMetadata]) {
    expect(port.isTensor && port.shape[0], port.name).toBe('batch');
  }
  for (const { out_sample: expected, class_labels: labels, sample, timestep } of runs) {
    const { out_sample: actual } = await session.run({
      sample: new Tensor('float32', sample!.data as Float32Array, sample!.shape),
      timestep: new Tensor('float32', timestep!.data as Float32Array, timestep!.shape),
      ...(labels && { class_labels: new Tensor('int64', BigInt64Array.from(labels.data, BigInt), labels.shape) }),
    });
    expect(actual!.dims).toEqual(expected!.shape);
    const got = actual!.data as Float32Array;
    expect(got).toBeAllClose(expected!.data, { rtol: 1e-5, relativeTo: 'largest' });
  }
  await session.release();
});

it.skipIf(python === undefined)(
  `onnx.checker and ONNX Runtime in Python accept every file${needs}`,
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-onnx-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const folderOf = ({ name }: ModelCase) => join(folder, name.replaceAll('/', '-'));
    for (const modelCase of small) {
      const { file, weights, runs } = await exported(modelCase);
      const arrays = runs.flatMap((run, i) =>
        Object.entries(run).map(([name, value]): [string, NdArray] => [`${batches[i]}/${name}`, value]),
      );
      for (const [name, value] of Object.entries(weights)) arrays.push([`weights/${name}`, value]);
      const path = folderOf(modelCase);
      mkdirSync(path);
      writeFileSync(join(path, 'model.onnx'), file);
      writeFileSync(join(path, 'check.safetensors'), formatSafetensors(Object.fromEntries(arrays)));
    }
    const script = fileURLToPath(new URL('../../../../tools/parity/onnx_check.py', import.meta.url));
    const check = (folders: readonly string[]) => spawnSync(python!, [script, ...folders], { encoding: 'utf8' });
    const { status, stdout, stderr } = check(small.map(folderOf));
    expect(status, stderr).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.length).toBe(small.length);
    for (const line of lines) expect(line).toMatch(/batches 1, 2, 5.*\d\.\de-0[5-9]$/);

    // Outputs that are NaN agree with nothing.
    const [one] = small.map(folderOf) as [string];
    const path = join(one, 'check.safetensors');
    const { tensors } = parseSafetensors(readFileSync(path));
    (tensors['1/out_sample']!.data as Float32Array).fill(NaN);
    writeFileSync(path, formatSafetensors(tensors));
    const refused = check([one]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/AssertionError: batch 1: nan/);
  },
);

it("the cases have EDM's networks and each rare option of UNets", () => {
  const text = JSON.stringify(small.map(({ model, config }) => ({ model, config })));
  const [blocks, options] = [
    ['SkipDownBlock2D', 'AttnSkipDownBlock2D', 'SkipUpBlock2D', 'AttnSkipUpBlock2D'],
    ['"learned"', '"class_embed_type":"timestep"', '"class_embed_type":"identity"', '"gelu"', '"mish"', '"relu"'],
  ];
  for (const name of ['SongUNet', 'EDM2UNet', ...blocks]) expect(text).toContain(`"${name}"`);
  for (const option of options) expect(text).toContain(option);
});

it('a label that is no class is an error, and so are missing weights', async () => {
  const modelCase = small.find(({ labels }) => labels !== undefined)!;
  const model = caseModel(modelCase);
  const weights = toTorch(model, loadWeights(model, caseWeights(model)));
  const session = await InferenceSession.create(denoiserOnnx(model, weights), { logSeverityLevel: 4 });
  const [height, width, channels] = model.inputShape;
  const feeds = {
    sample: new Tensor('float32', new Float32Array(height * width * channels), [1, channels, height, width]),
    timestep: new Tensor('float32', [0], [1]),
    class_labels: new Tensor('int64', [BigInt(model.condDim)], [1]),
  };
  await expect(session.run(feeds)).rejects.toThrow(/out of data bounds/);
  await session.release();
  const { 'conv_in.weight': _, ...rest } = weights;
  expect(() => denoiserOnnx(model, rest)).toThrow('weights are missing: conv_in.weight');
});
