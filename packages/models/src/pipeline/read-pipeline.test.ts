// What a pipeline is refused for, and the limits of what is read from a server.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FileError } from '@dm/files';
import { type Engine, openEagerEngine } from '@dm/ops';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fromPretrained } from '../from-pretrained.js';
import { initialize } from '../initialize.js';
import { toTorch } from '../torch-layout.js';
import { unet2d } from '../unet/extended.js';
import type { DiffusionConfig, SamplingConfig } from './diffusion-config.js';
import type { FileSource } from './file-source.js';
import { PipelineError } from './pipeline-error.js';
import { pipelineFiles } from './pipeline-files.js';

const model = unet2d({
  sample_size: 8,
  in_channels: 1,
  out_channels: 1,
  block_out_channels: [8],
  down_block_types: ['DownBlock2D'],
  up_block_types: ['UpBlock2D'],
  layers_per_block: 1,
  norm_num_groups: 4,
  mid_block_type: null,
  num_class_embeds: 3,
});
const diffusion: DiffusionConfig = {
  schedule: { type: 'linear' },
  timesteps: 20,
  prediction: { type: 'epsilon' },
  variance: null,
};
const sampler: SamplingConfig = {
  type: 'dpmpp-2m',
  steps: 2,
  path: { type: 'karras' },
  clipping: null,
  guidance: 1,
  guidanceInterval: null,
};
const { files } = pipelineFiles({
  model,
  weights: toTorch(model, initialize(model, 0)),
  diffusion,
  sampler,
  classNames: ['cat', 'dog'],
  nullClass: 2,
});
const contents = new Map(
  Object.entries(files).map(([path, content]) => [
    path,
    typeof content === 'string' ? new TextEncoder().encode(content) : content,
  ]),
);

/** The files, some of which are replaced, or missing if undefined. */
function changed(changes: Readonly<Record<string, string | Uint8Array | undefined>>): FileSource {
  const all = new Map<string, Uint8Array | undefined>(contents);
  for (const [path, content] of Object.entries(changes)) {
    all.set(path, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  }
  // oxlint-disable-next-line typescript/require-await -- the interface returns promises
  return { name: 'memory', read: async (path) => all.get(path) };
}

const edited = (path: string, change: object): FileSource =>
  changed({ [path]: JSON.stringify({ ...(JSON.parse(String(files[path])) as object), ...change }) });

const index = 'model_index.json';
const scheduler = 'scheduler/scheduler_config.json';
const config = 'unet/config.json';
const weights = 'unet/diffusion_pytorch_model.safetensors';

let engine: Engine;
beforeAll(async () => {
  engine = await openEagerEngine('tfjs-cpu');
});
afterAll(() => engine.dispose());

describe('a pipeline', () => {
  it('has the sampler, the classes, and the null class that were written', async () => {
    const read = await fromPretrained(changed({}), { engine });
    expect(read).toMatchObject({ classes: ['cat', 'dog'], sampler, notes: [] });
    const images = await read.sample({ label: ['dog', 0], guidance: 2, seed: 1 });
    expect(images.shape).toEqual([2, 8, 8, 1]);
  });

  it('samples the same whatever was sampled before, also in calls that overlap', async () => {
    const read = await fromPretrained(changed({}), { engine });
    const requests = [{ seed: 1 }, { seed: 1, steps: 3 }, { seed: 1, label: 'dog' }, { seed: 1 }];
    const together = await Promise.all(requests.map((request) => read.sample(request)));
    expect(together[3]).toEqual(together[0]);
    expect(together[1]).not.toEqual(together[0]);
    expect(together[2]).not.toEqual(together[0]);
    await read.dispose();
    expect(await read.sample(requests[1])).toEqual(together[1]);
  });

  it('with a changed scheduler samples with that, and notes it', async () => {
    const read = await fromPretrained(edited(scheduler, { clip_sample: true }), { engine });
    expect(read.sampler).toMatchObject({ type: 'ddpm', clipping: { type: 'range' } });
    expect(read.notes).toEqual([expect.stringContaining(scheduler.split('/')[1]!)]);
  });

  it('notes fields that its scheduler does not have, whether its sampler is ours or not', async () => {
    const note = expect.stringMatching(/DDPMScheduler.*snr_gamma$/) as string;
    const ours = await fromPretrained(edited(scheduler, { snr_gamma: 5 }), { engine });
    expect(ours).toMatchObject({ sampler, notes: [note] });
    const changedToo = await fromPretrained(edited(scheduler, { snr_gamma: 5, clip_sample: true }), { engine });
    expect(changedToo.notes).toEqual([note, expect.stringContaining('takes precedence')]);
  });

  it('without names of classes has their numbers, and the null class', async () => {
    const read = await fromPretrained(edited(index, { _id2label: null }), { engine });
    expect(read.classes).toEqual(['0', '1']);
    const unnamed = await fromPretrained(edited(index, { _id2label: null, _dm: undefined }), { engine });
    expect(unnamed.classes).toEqual(['0', '1', '2']);
    await expect(unnamed.sample({ guidance: 2 })).rejects.toThrowWith({ type: RangeError, contains: 'guidance 2' });
  });

  it.each<[object, string[]]>([
    [{ label: 2 }, ['2', '0 cat, 1 dog']],
    [{ label: 'cow' }, ['"cow"', '1 dog']],
    [{ label: [] }, ['label']],
    [{ label: -1 }, ['-1']],
    [{ steps: 0 }, ['steps', '0']],
    [{ steps: 1e9 }, ['steps', '1000000000']],
    [{ n: 1.5 }, ['n ', '1.5']],
    [{ seed: -1 }, ['seed', '-1']],
    [{ guidance: Number.NaN }, ['NaN']],
    [{ stpes: 3 }, ['"stpes"', 'steps']],
  ])('refuses to sample %j', async (request, contains) => {
    const read = await fromPretrained(changed({}), { engine });
    await expect(read.sample(request)).rejects.toThrowWith({ type: RangeError, contains });
    expect((await read.sample()).shape).toEqual([1, 8, 8, 1]);
  });
});

describe('is refused', () => {
  const own = (change: object) => edited(index, { _dm: { sampler: { ...sampler, ...change } } });
  it.each<[string, FileSource, string, string[]]>([
    ['a missing index', changed({ [index]: undefined }), 'FILE_NOT_FOUND', ['memory/model_index.json']],
    ['a missing scheduler', changed({ [scheduler]: undefined }), 'FILE_NOT_FOUND', ['scheduler_config.json']],
    ['a missing configuration', changed({ [config]: undefined }), 'FILE_NOT_FOUND', [config]],
    ['missing weights', changed({ [weights]: undefined }), 'FILE_NOT_FOUND', ['diffusion_pytorch_model.safetensors']],
    ['an index of bytes', changed({ [index]: Uint8Array.of(0xff) }), 'FILE_INVALID', ['UTF-8']],
    ['an index that is a list', changed({ [index]: '[]' }), 'FILE_INVALID', ['JSON object']],
    ['a deep index', changed({ [index]: `{"a":${'['.repeat(1e5)}` }), 'FILE_INVALID', ['levels']],
    ['a latent model', edited(index, { vae: ['diffusers', 'AutoencoderKL'] }), 'PIPELINE_UNSUPPORTED', ['vae']],
    ['a huge model', edited(config, { block_out_channels: [2 ** 20] }), 'FILE_TOO_LARGE', ['maxBytes']],
    ['a field', edited(config, { mystery: 1 }), 'MODEL_CONFIG_UNKNOWN_FIELD', [`memory/${config}`, 'mystery']],
    [
      'weights cut short',
      changed({ [weights]: contents.get(weights)!.subarray(0, 900) }),
      'SAFETENSORS_TRUNCATED',
      [weights],
    ],
    ['as many steps as atoms', own({ steps: 1e80 }), 'PIPELINE_UNSUPPORTED', ['_dm', 'steps']],
    ['steps that are text', own({ steps: '3' }), 'PIPELINE_UNSUPPORTED', ['steps']],
    ['an unknown sampler', own({ type: 'toString' }), 'PIPELINE_UNSUPPORTED', ['toString']],
    ['an unknown option', own({ eta: 1, x: null }), 'PIPELINE_UNSUPPORTED', ['_dm']],
    ['an unknown path', own({ path: { type: '__proto__' } }), 'PIPELINE_UNSUPPORTED', ['path']],
    ['no path', own({ path: null }), 'PIPELINE_UNSUPPORTED', ['path']],
    ['a path of another process', own({ path: { type: 'flow', shift: {} } }), 'PIPELINE_UNSUPPORTED', ['shift']],
    ['guidance that is a list', own({ guidance: [1] }), 'PIPELINE_UNSUPPORTED', ['guidance']],
    ['an interval upside down', own({ guidanceInterval: [2, 1] }), 'PIPELINE_UNSUPPORTED', ['guidanceInterval']],
    ['clipping by name', own({ clipping: 'range' }), 'PIPELINE_UNSUPPORTED', ['clipping']],
    [
      'a null class that is text',
      edited(index, { _dm: { sampler, nullClass: '2' } }),
      'PIPELINE_UNSUPPORTED',
      ['nullClass'],
    ],
    ['a sampler that is a list', edited(index, { _dm: [] }), 'PIPELINE_UNSUPPORTED', ['_dm']],
    [
      'a huge schedule',
      edited(scheduler, { num_train_timesteps: 1e12 }),
      'PIPELINE_UNSUPPORTED',
      ['num_train_timesteps'],
    ],
    [
      'a scheduler that the sampler does not fit',
      edited(scheduler, { _class_name: 'FlowMatchEulerDiscreteScheduler' }),
      'PIPELINE_UNSUPPORTED',
      ['_dm', 'path: must be flow'],
    ],
  ])('%s', async (_, source, code, contains) => {
    await expect(fromPretrained(source, { engine })).rejects.toThrowWith({ code, contains });
  });

  it('a shift by the size of the image', async () => {
    const flow = { _class_name: 'FlowMatchEulerDiscreteScheduler', use_dynamic_shifting: true };
    await expect(fromPretrained(changed({ [scheduler]: JSON.stringify(flow) }), { engine })).rejects.toThrowWith({
      type: PipelineError,
      code: 'PIPELINE_UNSUPPORTED',
      contains: ['use_dynamic_shifting', 'false', 'got true'],
    });
  });
});

describe('on a server', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  async function serve(listener: RequestListener): Promise<string> {
    server = createServer(listener);
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  const pathOf = (url = '/') => new URL(url, 'http://x').pathname.slice(1);

  it('reads the files next to the index if there are no folders, and takes a page for a missing file', async () => {
    const url = await serve(({ url: asked }, response) => {
      const file = [...contents].find(([path]) => path.split('/').at(-1) === pathOf(asked));
      if (file === undefined) response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html>');
      else response.end(file[1]);
    });
    const images = await (await fromPretrained(new URL(url), { engine })).sample();
    expect(images).toEqual(await (await fromPretrained(changed({}), { engine })).sample());
  });

  it.each<[string, RequestListener, string, string[]]>([
    ['an error', (_, response) => response.writeHead(500).end(), 'FILE_UNREADABLE', ['500', 'model_index.json']],
    ['no answer', (_, response) => response.destroy(), 'FILE_UNREADABLE', ['model_index.json']],
    ['nothing', (_, response) => response.writeHead(404).end(), 'FILE_NOT_FOUND', ['model_index.json']],
    [
      'a large file by its own account',
      (_, response) => response.writeHead(200, { 'Content-Length': 2 ** 40 }).write('{'),
      'FILE_TOO_LARGE',
      ['model_index.json'],
    ],
    [
      'a file without end',
      (_, response) => {
        const chunk = Buffer.alloc(2 ** 20, 0x20);
        const more = () => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', more);
        more();
      },
      'FILE_TOO_LARGE',
      ['model_index.json', String(2 ** 26)],
    ],
    [
      'a file that breaks off',
      (_, response) => {
        response.writeHead(200, { 'Content-Length': 100 });
        response.write('{', () => response.destroy());
      },
      'FILE_UNREADABLE',
      ['model_index.json'],
    ],
  ])('%s is refused', async (_, listener, code, contains) => {
    const url = await serve(listener);
    await expect(fromPretrained(url, { engine })).rejects.toThrowWith({ type: FileError, code, contains });
  });

  it.each(['ftp://x/y', 'file:///x'])('%s is not a server', async (url) => {
    await expect(fromPretrained(new URL(url), { engine })).rejects.toThrowWith({ type: RangeError, contains: 'http' });
  });
});
