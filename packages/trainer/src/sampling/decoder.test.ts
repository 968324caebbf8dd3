// Samples of a run on latents are decoded by .onnx files: their values, sizes, and everything that is refused.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readNpz } from '@dm/data';
import { encodeModel, exportOnnx, type OnnxModel } from '@dm/jit';
import { conv2d, float32, upsampleNearest } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createProgram } from '../commands/program.js';
import { UserError } from '../errors.js';
import { writeImages } from '../files/images.js';
import { addTinyLatents, quickConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { generateSamples } from './generate-samples.js';

let folder: string;
let run: string;
const request = { count: 3, steps: 1, seed: 4 } as const;

beforeAll(async () => {
  folder = await tinyFolder();
  run = join(folder, 'run');
  const data = await addTinyLatents(folder);
  await train({ ...quickConfig(folder, 1), data, model: { type: 'dit', ...tinyDit, patch_size: 8 }, out: run });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ports {
  readonly input?: string;
  readonly type?: 'float32' | 'int32';
  readonly dims?: readonly (number | string)[];
  readonly output?: string;
  readonly outDims?: readonly (number | string)[];
  readonly blockSize?: number;
}

/** A decoder that arranges four channels as blocks of 2x2 pixels, as in docs/latents.md: its sizes are unknown by default. */
function blocks(name: string, ports: Ports = {}): string {
  const { input = 'latent_sample', type = 'float32', dims = ['batch', 'c', 'h', 'w'], output = 'sample' } = ports;
  const { outDims = ['batch', 'channels', 'height', 'width'], blockSize = 2 } = ports;
  const node = (op: string, from: string, to: string, attrs: OnnxModel['nodes'][number]['attrs']) => ({
    op,
    domain: '',
    inputs: [from],
    outputs: [to],
    attrs,
    name: op,
  });
  const nodes = [
    node('Cast', input, 'floats', { to: { int: 1 } }),
    node('DepthToSpace', 'floats', output, { blocksize: { int: blockSize }, mode: { string: 'CRD' } }),
  ];
  const [inputs, outputs] = [
    [{ name: input, type, dims }],
    [{ name: output, type: 'float32' as const, dims: outDims }],
  ];
  const path = join(folder, name);
  writeFileSync(path, encodeModel({ name: 'blocks', nodes, inputs, outputs, initializers: [], opsets: { '': 20 } }));
  return path;
}

/** The pixel (y, x) of image n, from latents [N, 32, 32, 4]. */
const pixelOf = (latents: Float32Array, n: number, y: number, x: number) =>
  latents[((n * 32 + (y >> 1)) * 32 + (x >> 1)) * 4 + 2 * (y % 2) + (x % 2)]!;

describe('decodes samples', () => {
  it.each<[string, Ports]>([
    ['of any size', {}],
    ['of one size in batches of two', { dims: [2, 4, 32, 32], outDims: [2, 1, 64, 64] }],
  ])('by a file %s', async (name, ports) => {
    const latents = await generateSamples({ run, ...request });
    const decoded = await generateSamples({ run, ...request, decoder: blocks(`${name}.onnx`, ports) });
    expect(decoded.shape).toEqual([3, 64, 64, 1]);
    expect(decoded.latents).toBeUndefined();
    expect(decoded.labels).toEqual(latents.labels);
    const expected = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) =>
      pixelOf(latents.images, Math.floor(i / 4096), Math.floor(i / 64) % 64, i % 64),
    );
    expect(decoded.images).toEqual(expected);
  });

  it('in the scale that the decoder was trained on', async () => {
    const decoder = blocks('scaled.onnx');
    const plain = await generateSamples({ run, ...request, decoder });
    const scaled = await generateSamples({ run, ...request, decoder, decoderScale: 0.18215 });
    expect(scaled.images).toBeAllClose(
      plain.images.map((value) => value / 0.18215),
      { rtol: 1e-6 },
    );
  });

  it('to RGB by a file of exportOnnx, which all formats of images hold', async () => {
    const filter = float32(
      Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
      [1, 1, 4, 3],
    );
    const decoder = join(folder, 'rgb.onnx');
    const file = exportOnnx(
      ({ filter: weights }, { latent_sample: latents }) => {
        const x = tf.transpose(latents!, [0, 2, 3, 1]) as tf.Tensor4D;
        const y = tf.tanh(upsampleNearest(conv2d(x, weights as tf.Tensor4D), { factor: 2 }));
        return { outputs: { sample: tf.transpose(y, [0, 3, 1, 2]) } };
      },
      { weights: { filter }, inputs: { latent_sample: { dtype: 'float32', shape: ['batch', 4, 32, 32] } } },
    );
    writeFileSync(decoder, file);
    const latents = await generateSamples({ run, ...request });
    const decoded = await generateSamples({ run, ...request, decoder, out: join(folder, 'rgb.png') });
    expect(decoded.shape).toEqual([3, 64, 64, 3]);
    const at = (n: number, y: number, x: number, c: number) => decoded.images[((n * 64 + y) * 64 + x) * 3 + c]!;
    for (const [n, y, x] of [
      [0, 0, 0],
      [2, 63, 17],
    ] as const) {
      for (const c of [0, 1, 2]) {
        let sum = 0;
        for (let k = 0; k < 4; k++) {
          sum += Math.sin(3 * k + c) * latents.images[((n * 32 + (y >> 1)) * 32 + (x >> 1)) * 4 + k]!;
        }
        expect(at(n, y, x, c)).toBeCloseTo(Math.tanh(sum), 5);
      }
    }
    await writeImages(join(folder, 'rgb.npz'), decoded);
    const { arr_0: bytes, arr_1: labels } = await readNpz(join(folder, 'rgb.npz'));
    expect(bytes!.shape).toEqual([3, 64, 64, 3]);
    expect(bytes!.data).toBeInstanceOf(Uint8Array);
    expect(labels!.data).toEqual(decoded.labels);
  });

  it('by the command, as a grid', async () => {
    const out = join(folder, 'grid.png');
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const options = ['--decoder', blocks('command.onnx'), '--decoder-scale', '4', '--count', '4', '--steps', '1'];
    await createProgram().parseAsync(['sample', '--run', run, ...options, '--out', out], { from: 'user' });
    write.mockRestore();
    // A PNG begins with a signature of 8 bytes and the chunk IHDR: width and height.
    const png = readFileSync(out);
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)].every((side) => side > 128)).toBe(true);
  });
});

const python = process.env['DM_PYTHON'];
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with torch, onnx, and diffusers' : '';

it.skipIf(python === undefined)(
  `images are those of diffusers' AutoencoderKL, whose decoder Python exported${needs}`,
  { timeout: 120_000 },
  async () => {
    const script = fileURLToPath(new URL('../../../../tools/parity/decoder_check.py', import.meta.url));
    const checked = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(python!, [script, ...args], { cwd: folder, encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      return stdout;
    };
    const decoder = join(folder, 'vae_decoder.onnx');
    checked('write', decoder);
    await writeImages(join(folder, 'vae-latents.npz'), await generateSamples({ run, ...request }));
    const decoded = await generateSamples({ run, ...request, decoder, decoderScale: 2 });
    await writeImages(join(folder, 'vae-images.npy'), decoded);
    expect(checked('check', 'vae-latents.npz', 'vae-images.npy', '2')).toMatch(/^\[3, 64, 64, 3\]: /);
  },
);

describe('is refused:', () => {
  const refused = (code: string, ...contains: string[]) => ({ type: UserError, code, contains });

  it.each<[string, Ports, string[]]>([
    ['another input', { input: 'z' }, ['inputs z float32 [batch, c, h, w]', 'latent_sample float32 [B, 4, 32, 32]']],
    ['latents of 16 channels', { dims: ['batch', 16, 32, 32] }, ['latent_sample float32 [batch, 16, 32, 32]', '4, 32']],
    ['latents of another size', { dims: ['batch', 4, 64, 64] }, ['latent_sample float32 [batch, 4, 64, 64]', '4, 32']],
    ['integers', { type: 'int32' }, ['latent_sample int32', 'float32']],
    ['another output', { output: 'images' }, ['outputs images float32', 'sample float32 [B, 3, H, W]']],
    ['16 channels that it does not describe', { blockSize: 4 }, ['cannot decode latents [1, 4, 32, 32]']],
    ['two channels of images', { outDims: ['batch', 2, 64, 64] }, ['sample float32 [batch, 2, 64, 64]', '3, H, W']],
  ])('a file with %s, before sampling, with a remedy', async (name, ports, contains) => {
    const onSamplingStep = vi.fn<() => void>();
    const decoder = blocks(`${name}.onnx`, ports);
    const made = generateSamples({ run, ...request, decoder, onSamplingStep });
    await expect(made).rejects.toThrowWith(refused('FILE_INVALID', decoder, 'torch.onnx.export', ...contains));
    expect(onSamplingStep).not.toHaveBeenCalled();
  });

  it('a file that is not ONNX, and one that does not exist', async () => {
    const decoder = join(folder, 'text.onnx');
    writeFileSync(decoder, 'not a model');
    await expect(generateSamples({ run, ...request, decoder })).rejects.toThrowWith(refused('FILE_INVALID', decoder));
    const missing = generateSamples({ run, ...request, decoder: join(folder, 'none.onnx') });
    await expect(missing).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('a decoder of a run on images', async () => {
    const images = join(folder, 'images');
    await train({ ...quickConfig(folder, 1), out: images });
    const made = generateSamples({ run: images, count: 1, decoder: blocks('images.onnx') });
    await expect(made).rejects.toThrowWith(refused('OPTION_INVALID', '--decoder', 'images'));
  });

  it('a scale without a decoder, or that is not above 0', async () => {
    const made = generateSamples({ run, ...request, decoderScale: 2 });
    await expect(made).rejects.toThrowWith(refused('OPTION_INVALID', '--decoder-scale', '--decoder'));
    const zero = generateSamples({ run, ...request, decoder: blocks('zero.onnx'), decoderScale: 0 });
    await expect(zero).rejects.toThrowWith(refused('OPTION_INVALID', '--decoder-scale', 'got 0'));
  });

  it('PNG without a decoder, with the decoder as the remedy', async () => {
    const out = join(folder, 'none.png');
    await expect(generateSamples({ run, ...request, out })).rejects.toThrowWith(
      refused('OPTION_INVALID', out, '--decoder'),
    );
    expect(existsSync(out)).toBe(false);
  });
});
