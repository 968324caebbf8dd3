// Tensors of a checkpoint that are not the model's: sound files, whose names, shapes or types do not fit.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32, viewFlat, type Arrays } from '@dm/ops';
import { formatSafetensors, toTorch } from '@dm/models';
import { expect, it, onTestFinished } from 'vitest';
import { resolveConfig } from '../config/resolve.js';
import { sha256 } from '../files/hash.js';
import { createDenoiser } from '../setup/denoiser.js';
import { tinyUnet } from '../testing/tiny.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { readWeights } from './pack-state.js';

const model = { type: 'unet', sample_size: 8, in_channels: 1, out_channels: 1, ...tinyUnet } as const;
const denoiser = createDenoiser(resolveConfig([{ source: 'the test', value: { model } }]));

/** The weights that a checkpoint gives whose EMA file is these bytes. */
function read(bytes: Uint8Array): Arrays {
  const folder = mkdtempSync(join(tmpdir(), 'dm-tensors-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [configSha256, dataSha256] = [sha256('a'), sha256('b')];
  const fields = { step: 1, configSha256, dataSha256, engine: { name: 'none', info: {} }, log: {} };
  const path = writeCheckpoint(folder, fields, { 'ema.safetensors': [bytes] });
  return readWeights(denoiser, readCheckpoint(path, ['ema.safetensors']), 'ema');
}

function tensors(): Record<string, Arrays[string]> {
  return { ...toTorch(denoiser.model, viewFlat(new Float32Array(denoiser.layout.size), denoiser.layout)) };
}

it.each<[string, (all: Record<string, Arrays[string]>) => void]>([
  ['is missing', (all) => delete all['conv_in.weight']],
  ['is renamed', (all) => { all['conv_in.weightx'] = all['conv_in.weight']!; delete all['conv_in.weight']; }], // prettier-ignore
  ['is unknown', (all) => (all['conv_in.weights'] = float32([1]))],
  ['has another shape', (all) => (all['conv_in.weight'] = float32(new Float32Array(72), [72]))],
  ['is empty', (all) => (all['conv_in.weight'] = float32([], [0]))],
  ['has another type', (all) => { const { data, shape } = all['conv_in.weight']!; all['conv_in.weight'] = { dtype: 'int32', data: Int32Array.from(data), shape }; }], // prettier-ignore
])('says which tensor %s, and in which file', (_, change) => {
  const all = tensors();
  expect(Object.keys(read(formatSafetensors(all)))).toContain('params');
  change(all);
  const refused = () => read(formatSafetensors(all));
  expect(refused).toThrow(expect.objectContaining({ name: 'UserError', code: 'CHECKPOINT_INVALID' }));
  expect(refused).toThrow(/step-000001\/ema\.safetensors: .*conv_in\.weight/);
});

it.each(['', 'x', '{}', '\u0002\0\0\0\0\0\0\0[]'])('names the file of weights that is no safetensors: %j', (text) => {
  const refused = () => read(Buffer.from(text));
  expect(refused).toThrow(expect.objectContaining({ name: 'UserError', code: 'CHECKPOINT_INVALID' }));
  expect(refused).toThrow(/ema\.safetensors: /);
});
