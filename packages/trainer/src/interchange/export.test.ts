// What is exported, and its way back: files, weights to the byte, and everything that is refused.
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatSafetensors, loadModel, loadWeights, parseSafetensors } from '@dm/models';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import { importPipeline } from './import.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { exportModel } from './export.js';
import { UserError } from '../errors.js';

let folder: string;
/** An unconditional run; its EMA weights differ from the model's. */
let run: string;
const inFolder = (...names: string[]) => join(folder, ...names);
const json = (...names: string[]) => JSON.parse(readFileSync(inFolder(...names), 'utf8')) as Record<string, unknown>;
const weightsIn = (...names: string[]) => readFileSync(inFolder(...names, 'diffusion_pytorch_model.safetensors'));

beforeAll(async () => {
  folder = await tinyFolder();
  run = inFolder('run');
  await train({ ...tinyConfig(folder, 2), conditional: false });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a pipeline folder', () => {
  it('has what diffusers looks for, with the EMA weights', async () => {
    const result = await exportModel({ run, format: 'diffusers', out: inFolder('pipeline') });
    expect(result).toMatchObject({ format: 'diffusers', model: 'UNet2DModel', weights: 'ema' });
    expect(json('pipeline', 'model_index.json')).toEqual({
      _class_name: 'DDPMPipeline',
      scheduler: ['diffusers', 'DDIMScheduler'],
      unet: ['diffusers', 'UNet2DModel'],
      _dm: { sampler: expect.objectContaining({ type: 'ddim', steps: 2 }) as object },
    });
    expect(json('pipeline', 'unet', 'config.json')).toMatchObject({ sample_size: 8, num_class_embeds: null });
    expect(json('pipeline', 'scheduler', 'scheduler_config.json')).toMatchObject({
      _class_name: 'DDIMScheduler',
      beta_schedule: 'squaredcos_cap_v2',
      clip_sample: true,
      num_train_timesteps: 20,
      prediction_type: 'v_prediction',
    });
    const { checkpoint } = latestCheckpoint(join(run, 'checkpoints'));
    const { tensors, metadata } = parseSafetensors(weightsIn('pipeline', 'unet'));
    expect(metadata).toEqual({ format: 'pt' });
    expect(tensors).toEqual(parseSafetensors(checkpoint!.files.get('ema.safetensors')!).tensors);

    await exportModel({ run, format: 'diffusers', weights: 'raw', out: inFolder('raw') });
    expect(parseSafetensors(weightsIn('raw', 'unet')).tensors).toEqual(
      parseSafetensors(checkpoint!.files.get('model.safetensors')!).tensors,
    );
    expect(weightsIn('raw', 'unet').equals(weightsIn('pipeline', 'unet'))).toBe(false);
  });

  it('has a model that @dm/models opens by its folder', async () => {
    const { model, params } = await loadModel(inFolder('pipeline/unet'));
    expect(model.kind).toBe('UNet2DModel');
    expect(params).toEqual(loadWeights(model, parseSafetensors(weightsIn('pipeline', 'unet')).tensors));
  });

  it('comes back as a run that samples the same, and is exported to the same bytes', async () => {
    const notes: string[] = [];
    const imported = await importPipeline({
      folder: inFolder('pipeline'),
      out: inFolder('imported'),
      onNote: (text) => notes.push(text),
    });
    expect(imported).toMatchObject({ model: 'UNet2DModel' });
    expect(notes).toEqual([]);
    const options = { count: 2, steps: 3, engine: 'tfjs-cpu' };
    const [before, after] = [
      await generateSamples({ run, ...options }),
      await generateSamples({ run: imported.out, ...options }),
    ];
    expect(after.images).toEqual(before.images);

    await exportModel({ run: imported.out, format: 'diffusers', out: inFolder('again') });
    for (const path of ['model_index.json', 'unet/config.json', 'scheduler/scheduler_config.json']) {
      expect(readFileSync(inFolder('again', path), 'utf8')).toBe(readFileSync(inFolder('pipeline', path), 'utf8'));
    }
    expect(weightsIn('again', 'unet').equals(weightsIn('pipeline', 'unet'))).toBe(true);
  });

  it('imported is where a training starts, and cannot be resumed', async () => {
    const tiny = { ...tinyConfig(folder, 1), conditional: false };
    // With a learning rate of next to nothing the weights stay what they were.
    const config = { ...tiny, initFrom: inFolder('imported'), optimizer: { lr: 1e-30 }, out: inFolder('tuned') };
    await train(config);
    const files = latestCheckpoint(inFolder('tuned', 'checkpoints')).checkpoint!.files;
    expect(parseSafetensors(files.get('model.safetensors')!).tensors).toEqual(
      parseSafetensors(weightsIn('pipeline', 'unet')).tensors,
    );
    const other = {
      ...config,
      out: inFolder('other'),
      model: { type: 'unet', layers_per_block: 2 },
    } as const;
    await expect(train(other)).rejects.toThrowWith({
      type: UserError,
      code: 'CHECKPOINT_INVALID',
      contains: ['ema.safetensors', 'UNet2DModel', ' missing: '],
    });
    await expect(train({ ...config, out: inFolder('none'), initFrom: folder })).rejects.toThrowWith({
      type: UserError,
      code: 'CHECKPOINT_NOT_FOUND',
      contains: folder,
    });
    const resumed = train({ ...tiny, out: inFolder('imported') }, { resume: true });
    await expect(resumed).rejects.toThrowWith({
      type: UserError,
      code: 'RESUME_MISMATCH',
      contains: [inFolder('imported'), '--init-from'],
    });
  });

  it("of diffusers' DiT names what it has not, and comes back", async () => {
    const config = { patch_size: 4, num_layers: 1, num_attention_heads: 2, attention_head_dim: 8 };
    await train({ ...tinyConfig(folder, 1), model: { type: 'dit-diffusers', ...config }, out: inFolder('dit-run') });
    const notes: string[] = [];
    const onNote = (text: string) => notes.push(text);
    await exportModel({ run: inFolder('dit-run'), format: 'diffusers', out: inFolder('dit'), onNote });
    expect(json('dit', 'model_index.json')).toMatchObject({ _class_name: 'DiTPipeline', vae: [null, null] });
    expect(notes).toEqual([expect.stringContaining('DiTPipeline.from_pretrained(folder, vae=None)')]);
    await importPipeline({ folder: inFolder('dit'), out: inFolder('dit-imported') });
    await exportModel({ run: inFolder('dit-imported'), format: 'diffusers', out: inFolder('dit-again') });
    expect(weightsIn('dit-again', 'transformer').equals(weightsIn('dit', 'transformer'))).toBe(true);
  });
});

describe('other formats', () => {
  it('safetensors has the weights alone, and says what they are', async () => {
    await exportModel({ run, format: 'safetensors', out: inFolder('unet.safetensors') });
    const { tensors, metadata } = parseSafetensors(readFileSync(inFolder('unet.safetensors')));
    expect(tensors).toEqual(parseSafetensors(weightsIn('pipeline', 'unet')).tensors);
    expect(metadata).toMatchObject({ format: 'pt', model: 'UNet2DModel', weights: 'ema' });
    expect(JSON.parse(metadata['diffusion']!)).toMatchObject({
      schedule: { type: 'cosine' },
      prediction: { type: 'v' },
    });
  });

  it('are those that the ending of the output names, by default', async () => {
    const formatOf = async (out: string) => (await exportModel({ run, out: inFolder(out) })).format;
    expect(await formatOf('default.safetensors')).toBe('safetensors');
    expect(await formatOf('default.ONNX')).toBe('onnx');
    expect(await formatOf('default.v2')).toBe('diffusers');
    expect((await exportModel({ run, format: 'diffusers', out: inFolder('given.onnx') })).format).toBe('diffusers');
  });

  it('takes another average of the run by its name', async () => {
    const extraEmas = { slow: { type: 'fixed', decay: 0.9 } } as const;
    await train({ ...tinyConfig(folder, 2), extraEmas, out: inFolder('averaged') });
    const out = inFolder('slow.safetensors');
    const result = await exportModel({ run: inFolder('averaged'), format: 'safetensors', weights: 'slow', out });
    expect(result.weights).toBe('slow');
    const { checkpoint } = latestCheckpoint(inFolder('averaged', 'checkpoints'));
    const [slow, ema] = ['ema-slow', 'ema'].map((name) => checkpoint!.files.get(`${name}.safetensors`)!);
    expect(parseSafetensors(readFileSync(out)).tensors).toEqual(parseSafetensors(slow!).tensors);
    expect(slow!.some((byte, i) => byte !== ema![i])).toBe(true);
  });

  it('onnx is the denoiser', async () => {
    await exportModel({ run, format: 'onnx', out: inFolder('unet.onnx') });
    const session = await InferenceSession.create(inFolder('unet.onnx'));
    expect([session.inputNames, session.outputNames]).toEqual([['sample', 'timestep'], ['out_sample']]);
    await session.release();
  });
});

it('a network that predicts F of EDM says how it is to be called; diffusers has no scheduler for it', async () => {
  const diffusion = { timesteps: 20, prediction: { type: 'edm' } } as const;
  await train({ ...tinyConfig(folder, 1), diffusion, conditional: false, out: inFolder('edm-run') });
  const notes: string[] = [];
  const exported = (format: string) =>
    exportModel({
      run: inFolder('edm-run'),
      format,
      out: inFolder(`edm.${format}`),
      onNote: (text) => notes.push(text),
    });
  await exported('onnx');
  await exported('safetensors');
  expect(notes).toHaveLength(2);
  expect(notes[0]).toMatch(/EDM.*sqrt\(.*sd = 0\.5.*x_0/);
  const { metadata } = parseSafetensors(readFileSync(inFolder('edm.safetensors')));
  expect(JSON.parse(metadata['diffusion']!)).toMatchObject({ prediction: { type: 'edm' } });
  await expect(exported('diffusers')).rejects.toThrowWith({
    type: UserError,
    code: 'PIPELINE_UNSUPPORTED',
    contains: 'edm',
  });
  expect(readdirSync(folder)).not.toContain('edm.diffusers');
});

describe('is refused', () => {
  it.each<[string, object, string, string[]]>([
    ['an unknown format', { format: 'onxx' }, 'OPTION_UNKNOWN', ['--format onxx', 'mean "onnx"']],
    ['unknown weights', { weights: 'emma' }, 'OPTION_UNKNOWN', ['weights emma', 'mean "ema"', ': ema, raw']],
    ['a place that is taken', { out: 'TAKEN' }, 'FILE_EXISTS', ['data.npz', '--out']],
  ])('%s', async (_, change, code, contains) => {
    const out = 'out' in change ? inFolder('data.npz') : inFolder('new');
    const exported = exportModel({ run, format: 'onnx', ...change, out });
    await expect(exported).rejects.toThrowWith({ type: UserError, code, contains });
  });

  it('the DiT of facebookresearch for diffusers, with the reason, and not for onnx', async () => {
    await train({ ...tinyConfig(folder, 1), model: { type: 'dit', ...tinyDit }, out: inFolder('own-dit') });
    const exported = (format: string) =>
      exportModel({ run: inFolder('own-dit'), format, out: inFolder('own', format) });
    await expect(exported('diffusers')).rejects.toThrowWith({
      type: UserError,
      code: 'PIPELINE_UNSUPPORTED',
      contains: ['DiT', 'other frequencies', 'dit-diffusers'],
    });
    await expect(exported('onnx')).resolves.toMatchObject({ model: 'DiT' });
  });
});

describe('an import', () => {
  let count = 0;
  /** Imports a changed copy of the exported pipeline. */
  async function importChanged(change: (pipeline: string) => void, onNote?: (text: string) => void) {
    const name = `changed-${count++}`;
    cpSync(inFolder('pipeline'), inFolder(name), { recursive: true });
    change(inFolder(name));
    return importPipeline({ folder: inFolder(name), out: inFolder(`${name}-run`), ...(onNote && { onNote }) });
  }
  const edit = (path: string, change: object) => (pipeline: string) => {
    const file = join(pipeline, path);
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...change }));
  };
  const unetWeights = (pipeline: string) => join(pipeline, 'unet', 'diffusion_pytorch_model.safetensors');

  it('reads weights in shards, half precision of old checkpoints, and files beside the index', async () => {
    const notes: string[] = [];
    const imported = await importChanged(
      (pipeline) => {
        const { tensors } = parseSafetensors(readFileSync(unetWeights(pipeline)));
        const entries = Object.entries(tensors);
        const half = entries.length >> 1;
        const shards = { 'a.safetensors': entries.slice(0, half), 'b.safetensors': entries.slice(half) };
        const map: Record<string, string> = {};
        for (const [name, part] of Object.entries(shards)) {
          writeFileSync(join(pipeline, name), formatSafetensors(Object.fromEntries(part)));
          for (const [tensor] of part) map[tensor] = name;
        }
        const index = JSON.stringify({ metadata: {}, weight_map: map });
        writeFileSync(join(pipeline, 'diffusion_pytorch_model.safetensors.index.json'), index);
        cpSync(join(pipeline, 'unet/config.json'), join(pipeline, 'config.json'));
        cpSync(join(pipeline, 'scheduler/scheduler_config.json'), join(pipeline, 'scheduler_config.json'));
        for (const name of ['unet', 'scheduler']) rmSync(join(pipeline, name), { recursive: true });
        edit('scheduler_config.json', { clip_sample: false })(pipeline);
      },
      (text) => notes.push(text),
    );
    // The exported sampler no longer matches the changed scheduler.
    expect(notes).toEqual([expect.stringContaining('takes precedence')]);
    await exportModel({ run: imported.out, format: 'diffusers', out: inFolder('from-shards') });
    expect(weightsIn('from-shards', 'unet').equals(weightsIn('pipeline', 'unet'))).toBe(true);
    expect(json('from-shards', 'scheduler', 'scheduler_config.json')).toMatchObject({ clip_sample: false });
  });

  it('reads a variant of half precision', async () => {
    const notes: string[] = [];
    await importChanged(
      (pipeline) =>
        renameSync(unetWeights(pipeline), unetWeights(pipeline).replace('.safetensors', '.fp16.safetensors')),
      (text) => notes.push(text),
    );
    expect(notes).toEqual([expect.stringContaining('diffusion_pytorch_model.fp16.safetensors')]);
  });

  const unsupported = 'PIPELINE_UNSUPPORTED';
  const invalid = 'FILE_INVALID';
  it.each<[string, (pipeline: string) => void, string, string[]]>([
    [
      'a field of the model',
      edit('unet/config.json', { mystery: 1 }),
      invalid,
      ['UNet2DModel', 'unknown field mystery'],
    ],
    ['another class', edit('unet/config.json', { _class_name: 'VQModel' }), invalid, ['model class', '"VQModel"']],
    ['a block type', edit('unet/config.json', { mid_block_type: 'X' }), invalid, ['mid_block_type', 'got "X"']],
    [
      'a component',
      edit('model_index.json', { vqvae: ['diffusers', 'VQModel'] }),
      unsupported,
      ['model_index.json', 'vqvae (VQModel)'],
    ],
    [
      'a model',
      edit('model_index.json', { unet: ['diffusers', 'UNet1DModel'] }),
      unsupported,
      ['model_index.json', 'scheduler (DDIMScheduler), unet (UNet1DModel)', 'unet (UNet2DModel)'],
    ],
    [
      'a list for an object',
      (p) => writeFileSync(join(p, 'unet/config.json'), '[]'),
      invalid,
      ['unet/config.json', 'JSON object'],
    ],
    ['no JSON', (p) => writeFileSync(join(p, 'model_index.json'), '{'), invalid, ['model_index.json', 'JSON']],
    ['no index', (p) => rmSync(join(p, 'model_index.json')), invalid, ['model_index.json']],
    ['no folder', (p) => rmSync(p, { recursive: true }), 'FILE_NOT_FOUND', ['does not exist']],
    [
      'no scheduler file',
      (p) => rmSync(join(p, 'scheduler'), { recursive: true }),
      'FILE_NOT_FOUND',
      ['no scheduler', 'scheduler_config.json'],
    ],
    [
      'no scheduler',
      (p) => {
        rmSync(join(p, 'scheduler'), { recursive: true });
        const index = { _class_name: 'DDPMPipeline', unet: ['diffusers', 'UNet2DModel'] };
        writeFileSync(join(p, 'model_index.json'), JSON.stringify(index));
      },
      unsupported,
      ['no scheduler', 'model_index.json'],
    ],
    [
      'pickled weights',
      (p) => {
        rmSync(unetWeights(p));
        writeFileSync(join(p, 'unet/diffusion_pytorch_model.bin'), '');
      },
      invalid,
      ['diffusion_pytorch_model.bin', 'save_pretrained'],
    ],
    [
      'weights cut short',
      (p) => writeFileSync(unetWeights(p), readFileSync(unetWeights(p)).subarray(0, 5000)),
      invalid,
      ['diffusion_pytorch_model.safetensors', 'cut short'],
    ],
    [
      'weights missing, unknown and of another shape, all in one error',
      (p) => {
        const { 'conv_in.bias': bias, ...rest } = parseSafetensors(readFileSync(unetWeights(p))).tensors;
        const wrong = { ...rest, strange: bias!, 'conv_out.bias': bias! };
        writeFileSync(unetWeights(p), formatSafetensors(wrong));
      },
      invalid,
      ['1 missing: conv_in.bias', 'strange', 'conv_out.bias must be [1], got [8]'],
    ],
    [
      'a shard that is not there',
      (p) => {
        rmSync(unetWeights(p));
        const index = JSON.stringify({ weight_map: { 'conv_in.bias': 'a.safetensors' } });
        writeFileSync(`${unetWeights(p)}.index.json`, index);
      },
      invalid,
      ['a.safetensors', 'missing'],
    ],
  ])('with %s is refused, and leaves nothing', async (_, change, code, contains) => {
    await expect(importChanged(change)).rejects.toThrowWith({ type: UserError, code, contains });
    expect(readdirSync(folder)).not.toContain(`changed-${count - 1}-run`);
  });

  it('of a component names the folder above it', async () => {
    const component = importPipeline({ folder: inFolder('pipeline', 'unet'), out: inFolder('never') });
    await expect(component).rejects.toThrowWith({
      type: UserError,
      code: 'FILE_INVALID',
      contains: ['model_index.json', 'folder above'],
    });
  });

  it('into a folder that is taken is refused', async () => {
    mkdirSync(inFolder('taken', 'x'), { recursive: true });
    const taken = importPipeline({ folder: inFolder('pipeline'), out: inFolder('taken') });
    await expect(taken).rejects.toThrowWith({ type: UserError, code: 'FILE_EXISTS', contains: inFolder('taken') });
  });
});
