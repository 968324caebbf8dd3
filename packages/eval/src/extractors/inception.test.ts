// Against pytorch-fid's own network with weights of a closed formula: tools/extractors/inception_fixture.py.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openOnnxEngine } from '@dm/jit';
import { formatSafetensors, parseSafetensors } from '@dm/models';
import { hashed } from '@dm/models/testing';
import { type Engine, float32, type NdArray } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inception } from './inception-graph.js';
import { openInceptionExtractor, inceptionWeights, isPublishedForm } from './inception.js';
import { inceptionUnits } from './inception-units.js';
import { resizeBilinear } from './resize.js';
import { formulaImages } from '../testing/images.js';

const fixture = parseSafetensors(readFileSync(new URL('fixtures/inception.safetensors', import.meta.url)));

const filled = (name: string, shape: readonly number[], f: (u: number) => number): NdArray => {
  const size = shape.reduce((product, d) => product * d, 1);
  return float32(Float32Array.from(hashed(name, size), f), shape);
};

/** All that a file holds, by the formula of the fixture. */
function formulaWeights(): Record<string, NdArray> {
  const matrix = (name: string, shape: readonly number[]) => {
    const bound = Math.sqrt(6 / shape.slice(1).reduce((product, d) => product * d, 1));
    return filled(name, shape, (u) => bound * u);
  };
  const all = { 'fc.weight': matrix('fc.weight', [1008, 2048]) } as Record<string, NdArray>;
  for (const [unit, { inChannels, outChannels, kernel }] of Object.entries(inceptionUnits)) {
    all[`${unit}.conv.weight`] = matrix(`${unit}.conv.weight`, [outChannels, inChannels, ...kernel]);
    for (const part of ['weight', 'bias', 'running_mean', 'running_var']) {
      const isScale = part === 'weight' || part === 'running_var';
      const name = `${unit}.bn.${part}`;
      all[name] = filled(name, [outChannels], (u) => (isScale ? 1 + 0.2 * u : 0.1 * u));
    }
  }
  return all;
}

/** Norm and two projections of each of two images, as the fixture has them. */
function expectPrints(values: ArrayLike<number>, name: string): void {
  const wanted = fixture.tensors[name]!.data;
  const size = values.length / 2;
  const vectors = [0, 1].map((k) => hashed(`projection ${k} ${name}`, size));
  for (const image of [0, 1]) {
    const part = Array.from({ length: size }, (_, i) => values[image * size + i]!);
    const norm = Math.sqrt(part.reduce((sum, v) => sum + v * v, 0));
    const projections = vectors.map((u) => part.reduce((sum, v, i) => sum + v * u[i]!, 0));
    // A difference d has projections of about |d| / sqrt(3), the vectors being uniform on [-1, 1).
    const differences = [norm, ...projections].map((v, k) => v - wanted[3 * image + k]!);
    const worst = Math.max(...differences.map((d, k) => Math.abs(d) * (k === 0 ? 1 : Math.sqrt(3))));
    expect(worst / wanted[3 * image]!, `${name} of image ${image}`).toBeLessThan(1e-3);
  }
}

let engine: Engine;
let folder: string;
let file: string;
let tensors: Record<string, NdArray>;
beforeAll(async () => {
  engine = await openOnnxEngine();
  folder = mkdtempSync(join(tmpdir(), 'inception-'));
  file = join(folder, 'weights.safetensors');
  tensors = formulaWeights();
  writeFileSync(file, formatSafetensors(tensors));
});
afterAll(async () => {
  await engine.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const images = formulaImages(2, 32);

describe('inceptionExtractor', () => {
  it("has pytorch-fid's maps at all four taps", async () => {
    const program = engine.compile((state, { x }) => {
      const sized = resizeBilinear(tf.div(x as tf.Tensor4D, 255), 299);
      const { taps } = inception(state, tf.sub(tf.mul(sized, 2), 1));
      return { outputs: Object.fromEntries(Object.entries(taps).map(([tap, map]) => [`tap ${tap}`, map])) };
    });
    const handle = await program.load(inceptionWeights(file, tensors));
    const x = float32(Float32Array.from(images.data), images.shape);
    const maps = await program.run(handle, { x });
    await program.dispose();
    expect(Object.keys(maps)).toEqual(['tap 64', 'tap 192', 'tap 768', 'tap 2048']);
    expect(maps['tap 64']!.shape).toEqual([2, 73, 73, 64]);
    expect(maps['tap 192']!.shape).toEqual([2, 35, 35, 192]);
    expect(maps['tap 768']!.shape).toEqual([2, 17, 17, 768]);
    for (const [name, { data }] of Object.entries(maps)) expectPrints(data, name);
  });

  it("has pytorch-fid's features, logits without bias, and spatial features", async () => {
    const extractor = await openInceptionExtractor({ engine, weights: file, batchSize: 2 });
    const { features, logits, spatial } = await extractor.features(images);
    expect(features).toBeAllClose(fixture.tensors['features']!.data, { rtol: 1e-3, relativeTo: 'norm' });
    expect(logits).toHaveLength(2 * 1008);
    expectPrints(logits!, 'logits');
    expect(spatial).toHaveLength(2 * 2023);
    expectPrints(spatial!, 'spatial');
    expect(extractor).toMatchObject({
      name: 'inception',
      resize: 'bilinear 299x299',
      dimensions: 2048,
      hasLogits: true,
    });
    // These are not the public weights.
    expect(extractor.comparable).toBe(false);
    await extractor.dispose();
  });

  it('may be compared with published FIDs only as pytorch-fid has it', () => {
    const form = { metadata: { source_sha256: `6726825d${'0'.repeat(56)}` }, tap: 2048, resize: 'bilinear' } as const;
    expect(isPublishedForm(form)).toBe(true);
    expect(isPublishedForm({ ...form, resize: 'antialiased' })).toBe(false);
    expect(isPublishedForm({ ...form, tap: 768 })).toBe(false);
    expect(isPublishedForm({ ...form, metadata: {} })).toBe(false);
  });

  it('says how to get the weights, and what does not fit', async () => {
    await expect(openInceptionExtractor({ engine, weights: join(folder, 'none') })).rejects.toThrowWith({
      code: 'WEIGHTS_NOT_FOUND',
      contains: [join(folder, 'none'), 'pt_inception-2015-12-05-6726825d.pth', 'inception_weights.py'],
    });
    const { 'fc.weight': fc, ...rest } = tensors;
    const few = { ...rest, 'Conv2d_1a_3x3.bn.bias': filled('b', [3], (u) => u) };
    expect(() => inceptionWeights('w', few)).toThrowWith({
      code: 'WEIGHTS_INVALID',
      contains: ['(w)', 'fc.weight is missing', 'Conv2d_1a_3x3.bn.bias is [3]', '[32]'],
    });
    expect(fc!.shape).toEqual([1008, 2048]);
    const broken = join(folder, 'broken');
    writeFileSync(broken, 'no safetensors file');
    await expect(openInceptionExtractor({ engine, weights: broken })).rejects.toThrowWith({
      code: 'WEIGHTS_INVALID',
      contains: ['broken'],
    });
    await expect(openInceptionExtractor({ engine, weights: file, tap: 63 as never })).rejects.toThrowWith({
      type: RangeError,
      contains: ['tap', '64, 192, 768, 2048', 'got 63'],
    });
  });
});
