// Hostile files, names, and values, and private data in files that are shared.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { convertToShard, createMemoryDataset, formatNpy } from '@dm/data';
import { formatSafetensors } from '@dm/models';
import { zipSync } from 'fflate';
import { gifBomb, gzipBomb, npyHeader, pngBomb, webpBomb, zipBomb } from './bombs.mjs';
/** @import { Place, Probe } from './probe.mjs' */

const step = { step: 1, images: 4, loss: 1, lossByQuarter: [1, 1, 1, 1], gradNorm: 1, lr: 1e-3, beta1: 0.9 };
const line = { ...step, emaDecay: 0.9, imagesPerSecond: 1, dataWait: 0, seconds: 1, peakMb: 1 };

/** @param {Record<string, unknown>} fields @returns {Pick<Probe, 'prepare' | 'args'>} */
const configured = (fields) => ({
  prepare: ({ write }) => void write('config.json', fields),
  args: ['train', '--config', 'config.json', '--dry-run'],
});

/** Runs `dm data inspect`. @param {string} spec @param {Probe['prepare']} prepare */
const inspected = (spec, prepare) => ({
  ...(prepare !== undefined && { prepare }),
  // Only image files are resized.
  args: ['data', 'inspect', spec, ...(/^folder:|\.zip$/.test(spec) ? ['--image-size', '4'] : [])],
});

/**
 * Symbolic links in an untrusted run folder: nothing outside it may be written, removed, or published.
 *
 * @returns {Probe[]}
 */
export function links() {
  /** Path in the run folder → the link's target. */
  const targets = {
    'report.html': 'secret.txt',
    'report.html.partial': 'secret.txt',
    'metrics.csv': 'secret.txt',
    'metrics.jsonl': 'secret.txt',
    'config.json': 'secret.txt',
    'difficulty.jsonl': 'secret.txt',
    'run.lock': 'secret.txt',
    checkpoints: 'folder',
    samples: 'folder',
    'samples/step-000001.png': 'secret.txt',
    'checkpoints/best.json': 'secret.txt',
    'checkpoints/step-000006/manifest.json': 'secret.txt',
    'checkpoints/step-000006/model.safetensors': 'secret.txt',
    'checkpoints/step-000012.partial': 'folder',
    'checkpoints/step-000012': 'folder',
  };
  const commands = {
    report: ['report', 'run'],
    'report --csv': ['report', '--csv', 'run'],
    'train --resume': ['train', '--resume', '--out', 'run'],
  };
  return Object.entries(targets).flatMap(([path, target]) =>
    Object.entries(commands)
      .filter(([name]) => name !== 'report --csv' || /metrics/.test(path))
      .map(([name, args]) => ({
        kind: 'B8 links in a run folder',
        name: `${path}, ${name}`,
        withRun: true,
        args,
        prepare: ({ work, outside }) => {
          rmSync(join(work, 'run', path), { recursive: true, force: true });
          mkdirSync(join(work, 'run', path, '..'), { recursive: true });
          symlinkSync(join(outside, target), join(work, 'run', path));
        },
        check: ({ work }) => {
          const report = join(work, 'run', 'report.html');
          const html = existsSync(report) ? readFileSync(report, 'utf8') : '';
          const isPublished =
            html.includes('SECRET-7f3a') || html.includes(Buffer.from('SECRET-7f3a').toString('base64'));
          return isPublished && path !== 'report.html' ? 'a file outside is in report.html' : undefined;
        },
      })),
  );
}

/** Clears the screen, rings the bell, a C1 control character, reverses the text direction. */
const evil = 'a\u001b[2J\u0007\u009b31m\u202e\rb';

/** Names and values with terminal escape sequences, with and without --json. @returns {Probe[]} */
export function injections() {
  const image = formatNpy({ shape: [2, 2, 2, 1], data: new Uint8Array(8) });
  const badImages = { [`${evil}/${evil}.png`]: Buffer.from('no image') };
  /** @type {Record<string, Pick<Probe, 'prepare' | 'args' | 'withRun'>>} */
  const probes = {
    'field of a configuration': configured({ [evil]: 1 }),
    'value of a configuration': configured({ engine: evil }),
    'data of a configuration': configured({ data: evil }),
    'field of the model': configured({ model: { type: 'dit', [evil]: 1 } }),
    'type of the model': configured({ model: evil }),
    'preset of a configuration': configured({ preset: evil }),
    'JSON that is broken': {
      prepare: ({ write }) => void write('config.json', `{"a": ${evil}`),
      args: ['train', '--config', 'config.json', '--dry-run'],
    },
    'YAML that is broken': {
      prepare: ({ write }) => void write('config.yaml', `a: "${evil}\n  b: [${evil}`),
      args: ['train', '--config', 'config.yaml', '--dry-run'],
    },
    'option of the command': { args: ['train', `--${evil}`] },
    'command itself': { args: [evil] },
    'name of a missing file': { args: ['data', 'inspect', `${evil}.npz`] },
    'kind of data set': { args: ['data', 'inspect', `${evil}:x`] },
    'name of a class': inspected('folder:set', ({ write }) => {
      write(`set/${evil}/1.png`, pngBomb(1));
      write(`set/b/1.png`, pngBomb(1));
    }),
    'name of a bad image': inspected('folder:set', ({ write }) => void write(`set/${evil}.png`, 'no image')),
    'skipped images': {
      ...inspected('folder:set', ({ write }) => {
        write(`set/a/${evil}.png`, 'no image');
        write('set/a/1.gif', gifBomb(1));
      }),
      args: ['data', 'inspect', 'folder:set', '--image-size', '4', '--skip-bad'],
    },
    'member of a zip': inspected('x.zip', ({ write }) => void write('x.zip', zipSync(badImages))),
    'array of an npz': inspected('x.npz', ({ write }) => void write('x.npz', zipSync({ [`${evil}.npy`]: image }))),
    'header of an npy': inspected('x.npy', ({ write }) => {
      const bytes = Buffer.from(image);
      bytes.write(evil, 14, 'utf8');
      write('x.npy', bytes);
    }),
    'class of a shard': inspected('x.shard', async ({ work }) => {
      const set = createMemoryDataset({
        name: evil,
        images: new Uint8Array(8),
        shape: [2, 2, 1],
        labels: [0, 1],
        classes: [evil, 'b'],
      });
      await convertToShard(set, join(work, 'x.shard'));
    }),
    'host of a lock': {
      withRun: true,
      prepare: ({ write }) => void write('run/run.lock', { pid: 1, host: evil }),
      args: ['train', '--resume', '--out', 'run'],
    },
    'field of a manifest': {
      withRun: true,
      prepare: ({ work, write }) => {
        const path = 'run/checkpoints/step-000006/manifest.json';
        const manifest = JSON.parse(readFileSync(join(work, path), 'utf8'));
        write(path, { ...manifest, engine: { name: evil, info: { [evil]: evil } }, files: { [evil]: evil } });
      },
      args: ['train', '--resume', '--out', 'run'],
    },
    'tensor of weights': {
      prepare: ({ write }) => {
        const data = new Float32Array(1);
        write('w.safetensors', formatSafetensors({ [evil]: { dtype: 'float32', shape: [1], data } }));
        write('x.npy', image);
        write('config.json', {
          data: 'x.npy',
          initFrom: 'w.safetensors',
          engine: 'tfjs-cpu',
          batchSize: 1,
          totalSteps: 1,
        });
      },
      args: ['train', '--config', 'config.json', '--out', 'run'],
    },
    'class of a pipeline': {
      prepare: ({ write }) =>
        void write('p/model_index.json', { _class_name: evil, unet: [evil, evil], [evil]: ['x', evil] }),
      args: ['import', 'p', '--out', 'run'],
    },
    'line of a log': {
      withRun: true,
      prepare: ({ write }) => void write('run/metrics.jsonl', `{"step":"${evil}"\n`),
      args: ['report', 'run'],
    },
    'name of a run': { args: ['report', evil] },
    'results of an experiment': {
      prepare: ({ write }) => {
        write('e/x/project.json', { targets: { experiment: {} } });
        write('e/x/results/laptop/results.json', { experiment: evil, [evil]: evil, verdict: evil });
      },
      args: ['report', '--experiments', 'e', '--out', 'page.md'],
    },
  };
  return asTextAndJson('B9 terminal injection', probes);
}

/**
 * Each probe twice: without and with --json.
 *
 * @param {string} kind
 * @param {Readonly<Record<string, Pick<Probe, 'prepare' | 'args' | 'withRun'>>>} probes
 * @returns {Probe[]}
 */
function asTextAndJson(kind, probes) {
  return Object.entries(probes).flatMap(([name, probe]) => [
    { kind, name, ...probe },
    { kind, name: `${name}, JSON`, ...probe, args: [...probe.args, '--json'] },
  ]);
}

/** Values too long to be quoted in a message. @returns {Probe[]} */
export function longMessages() {
  const long = 'x'.repeat(2 ** 20);
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`field${i}`, i]));
  /** @type {Record<string, Pick<Probe, 'prepare' | 'args' | 'withRun'>>} */
  const probes = {
    'a long field': configured({ [long]: 1 }),
    'a long value': configured({ engine: long }),
    'many fields': configured(many),
    'a long data set': configured({ data: long }),
    'many fields of the model': configured({ model: { type: 'dit', ...many } }),
    'long YAML': {
      prepare: ({ write }) => void write('config.yaml', `a: [${long}\nb: "${long}`),
      args: ['train', '--config', 'config.yaml', '--dry-run'],
    },
    'a long argument': { args: ['data', 'inspect', long.slice(0, 100_000)] },
    'a long option': { args: ['train', `--${long.slice(0, 100_000)}`] },
    'many tensors': {
      prepare: ({ write }) => {
        const tensor = { dtype: /** @type {const} */ ('float32'), shape: [1], data: new Float32Array(1) };
        const names = Array.from({ length: 20_000 }, (_, i) => [`tensor.of.weights.${i}`, tensor]);
        write('w.safetensors', formatSafetensors({ ...Object.fromEntries(names), [long.slice(0, 10_000)]: tensor }));
        write('x.npy', formatNpy({ shape: [2, 8, 8, 1], data: new Uint8Array(128) }));
        write('config.json', {
          data: 'x.npy',
          initFrom: 'w.safetensors',
          engine: 'tfjs-cpu',
          batchSize: 1,
          totalSteps: 1,
        });
      },
      args: ['train', '--config', 'config.json', '--out', 'run'],
    },
    'a long line': {
      withRun: true,
      prepare: ({ write }) => void write('run/metrics.jsonl', `{"${long}"\n`),
      args: ['report', 'run'],
    },
    'many bad images': inspected('x.zip', ({ write }) => {
      const files = Array.from({ length: 5000 }, (_, i) => [`a/an-image-of-${i}.png`, Buffer.from('no image')]);
      write('x.zip', zipSync(Object.fromEntries(files), { level: 0 }));
    }),
  };
  return asTextAndJson('B10 length of messages', probes);
}

/** Small files that decode to gigabytes, and configurations that need as much memory. @returns {Probe[]} */
export function bombs() {
  const files = {
    'GIF of 16383 by 16383': inspected('folder:set', ({ write }) => void write('set/1.gif', gifBomb(16_383))),
    'GIF of 65535 by 65535': inspected('folder:set', ({ write }) => void write('set/1.gif', gifBomb(65_535))),
    'eight GIFs': inspected('folder:set', ({ write }) => {
      for (let i = 0; i < 8; i++) write(`set/${i}.gif`, gifBomb(16_383));
    }),
    'PNG of 30000 by 30000': inspected('folder:set', ({ write }) => void write('set/1.png', pngBomb(30_000))),
    'eight WebPs of 16383 by 16383': inspected('folder:set', ({ write }) => {
      for (let i = 0; i < 8; i++) write(`set/${i}.webp`, webpBomb(16_383));
    }),
    'zip of 1.3 GB': inspected('x.zip', ({ write }) => void write('x.zip', zipBomb('a/1.png', pngBomb(1), 20))),
    'npz of 1.3 GB': inspected('x.npz', ({ write }) => {
      write('x.npz', zipBomb('images.npy', npyHeader('20971520, 8, 8, 1'), 20));
    }),
    'idx, gzip of 1.3 GB': inspected('idx:x-images-idx3-ubyte.gz', ({ write }) => {
      const head = Buffer.from([0, 0, 8, 3, 1, 0x40, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8]);
      write('x-images-idx3-ubyte.gz', gzipBomb(head, 20));
    }),
    'npy of a huge shape': inspected('x.npy', ({ write }) => void write('x.npy', npyHeader('1000000000, 64, 64, 3'))),
    'npy of many axes': inspected('x.npy', ({ write }) => void write('x.npy', npyHeader('0, 1, 1, 4294967296'))),
    'YAML of aliases': {
      prepare: (/** @type {Place} */ { write }) => {
        const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(20)}0]\n`);
        write('config.yaml', `l0: &l0 [0]\n${levels.join('')}`);
      },
      args: ['train', '--config', 'config.yaml', '--dry-run'],
    },
    'safetensors of a huge header': {
      prepare: (/** @type {Place} */ { write }) => {
        write('w.safetensors', Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0x7b]));
        write('x.npy', formatNpy({ shape: [2, 8, 8, 1], data: new Uint8Array(128) }));
        write('config.json', {
          data: 'x.npy',
          initFrom: 'w.safetensors',
          engine: 'tfjs-cpu',
          batchSize: 1,
          totalSteps: 1,
        });
      },
      args: ['train', '--config', 'config.json', '--out', 'run'],
    },
  };
  const huge = 1_000_000_000;
  const configurations = [
    { model: { type: 'unet', layers_per_block: huge } },
    { model: { type: 'unet', block_out_channels: [huge] } },
    { model: { type: 'unet', block_out_channels: Array.from({ length: 1000 }, () => 1024) } },
    { model: { type: 'dit', hidden_size: huge } },
    { model: { type: 'dit', depth: huge } },
    { model: { type: 'dit', num_heads: huge } },
    { model: { type: 'dit', num_classes: huge } },
    { model: { type: 'uvit', depth: huge } },
    { model: { type: 'uvit', embed_dim: huge } },
    { model: { type: 'dit-diffusers', num_layers: huge } },
    { batchSize: huge },
    { samples: huge },
    { totalSteps: Number.MAX_SAFE_INTEGER },
    { diffusion: { timesteps: 100_001 } },
    { sampler: { steps: huge } },
    { imageSize: huge, data: 'emoji' },
    { crop: { size: huge, at: 'center' } },
    { threads: huge },
    { gradientAccumulation: huge },
    { checkpoints: { keepLast: huge } },
    { evaluation: { every: 1, samples: huge } },
    { probe: { every: 1, buckets: huge, images: huge } },
    {
      extraEmas: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`e${i}`, { type: 'fixed', decay: 0.5 }])),
    },
    { curriculum: { type: 'lossSecondMoment', historyPerTimestep: huge } },
  ];
  return [
    ...Object.entries(files).map(([name, probe]) => ({ kind: 'B11 bombs', name, alone: true, ...probe })),
    ...configurations.map((fields) => ({
      kind: 'B11 sizes in a configuration',
      name: JSON.stringify(fields).slice(0, 60),
      prepare: (/** @type {Place} */ { write }) => {
        write('x.npy', formatNpy({ shape: [4, 8, 8, 1], data: new Uint8Array(256) }));
        write('config.json', { data: 'x.npy', engine: 'tfjs-cpu', ...fields });
      },
      args: ['train', '--config', 'config.json', '--dry-run'],
    })),
  ];
}

/** FIFOs, devices, link loops, and folders in place of the file that is read. @returns {Probe[]} */
export function specialFiles() {
  /** @type {Record<string, Pick<Probe, 'args' | 'withRun'>>} Path in `work` → the command that reads it. */
  const readers = {
    'config.json': { args: ['train', '--config', 'config.json', '--dry-run'] },
    'config.yaml': { args: ['train', '--config', 'config.yaml', '--dry-run'] },
    'x.npz': { args: ['data', 'inspect', 'x.npz'] },
    'x.npy': { args: ['data', 'inspect', 'x.npy'] },
    'x.zip': { args: ['data', 'inspect', 'x.zip', '--image-size', '4'] },
    'x.shard': { args: ['data', 'inspect', 'x.shard'] },
    'x-images-idx3-ubyte': { args: ['data', 'inspect', 'idx:x-images-idx3-ubyte'] },
    'set/1.png': { args: ['data', 'inspect', 'folder:set', '--image-size', '4'] },
    'set/dataset.json': { args: ['data', 'inspect', 'folder:set', '--image-size', '4'] },
    'cifar/test_batch.bin': { args: ['data', 'inspect', 'cifar10:cifar', '--split', 'test'] },
    'noise.npy': { args: ['sample', '--run', 'run', '--noise', 'noise.npy'], withRun: true },
    'run/config.json': { args: ['train', '--resume', '--out', 'run'], withRun: true },
    'run/metrics.jsonl': { args: ['report', 'run'], withRun: true },
    'run/difficulty.jsonl': { args: ['report', 'run'], withRun: true },
    'run/run.lock': { args: ['train', '--resume', '--out', 'run'], withRun: true },
    'run/checkpoints/best.json': { args: ['train', '--resume', '--out', 'run'], withRun: true },
    'run/checkpoints/step-000006/manifest.json': { args: ['train', '--resume', '--out', 'run'], withRun: true },
    'run/checkpoints/step-000006/model.safetensors': { args: ['sample', '--run', 'run'], withRun: true },
    'run/samples/step-000001.png': { args: ['report', 'run'], withRun: true },
    'p/model_index.json': { args: ['import', 'p', '--out', 'imported'] },
    'statistics.npz': { args: ['eval', 'x2.npy', 'statistics.npz', '--extractor', 'pixels', '--no-cache'] },
  };
  /** @type {Record<string, (path: string) => void>} */
  const kinds = {
    FIFO: (path) => void execFileSync('mkfifo', [path]),
    '/dev/zero': (path) => symlinkSync('/dev/zero', path),
    'link to itself': (path) => symlinkSync(path, path),
    folder: (path) => {
      mkdirSync(path);
    },
  };
  const everywhere = Object.entries(readers).flatMap(([path, reader]) =>
    Object.entries(kinds)
      .filter(([kind]) => kind !== 'link to itself' || !/1\.png|0001/.test(path))
      .map(([kind, make]) => ({
        kind: 'B12 special files',
        name: `${path}: ${kind}`,
        ...reader,
        prepare: (/** @type {Place} */ { work, write }) => {
          if (path === 'set/dataset.json') write('set/1.gif', gifBomb(1));
          write('x2.npy', formatNpy({ shape: [4, 8, 8, 1], data: Uint8Array.from({ length: 256 }, (_, i) => i) }));
          rmSync(join(work, path), { recursive: true, force: true });
          mkdirSync(join(work, path, '..'), { recursive: true });
          make(join(work, path));
        },
      })),
  );
  return [
    ...everywhere,
    {
      kind: 'B12 special files',
      name: 'a tree of links that comes back to itself',
      ...inspected('folder:set', ({ work, write }) => {
        write('set/a/1.gif', gifBomb(1));
        for (const name of ['b', 'c', 'd']) symlinkSync(join(work, 'set'), join(work, 'set', 'a', name));
      }),
    },
  ];
}

/** Deeply nested, very wide, and very many inputs. @returns {Probe[]} */
export function sizes() {
  const deep = '['.repeat(200_000);
  const wide = `{${Array.from({ length: 200_000 }, (_, i) => `"f${i}":${i}`).join(',')}}`;
  const header = (/** @type {string} */ text) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  /** @type {Record<string, (text: string) => Pick<Probe, 'prepare' | 'args' | 'withRun'>>} */
  const places = {
    configuration: (text) => ({
      prepare: ({ write }) => void write('config.json', text),
      args: ['train', '--config', 'config.json', '--dry-run'],
    }),
    'YAML configuration': (text) => ({
      prepare: ({ write }) => void write('config.yaml', text.slice(0, 100_000)),
      args: ['train', '--config', 'config.yaml', '--dry-run'],
    }),
    'line of a log': (text) => ({
      withRun: true,
      prepare: ({ write }) => void write('run/metrics.jsonl', `${text}\n`),
      args: ['report', 'run'],
    }),
    'dataset.json': (text) =>
      inspected('folder:set', ({ write }) => {
        write('set/1.gif', gifBomb(1));
        write('set/dataset.json', `{"labels": ${text}`);
      }),
    'pipeline index': (text) => ({
      prepare: ({ write }) => void write('p/model_index.json', text),
      args: ['import', 'p', '--out', 'run'],
    }),
    'header of safetensors': (text) => ({
      prepare: ({ write }) => {
        write('w.safetensors', header(text));
        write('x.npy', formatNpy({ shape: [2, 8, 8, 1], data: new Uint8Array(128) }));
        write('config.json', {
          data: 'x.npy',
          initFrom: 'w.safetensors',
          engine: 'tfjs-cpu',
          batchSize: 1,
          totalSteps: 1,
        });
      },
      args: ['train', '--config', 'config.json', '--out', 'run'],
    }),
  };
  /** @type {Record<string, (i: number) => string>} */
  const yamlLines = {
    keys: (i) => `a${i}: 1\n`,
    'block sequences': () => '- ',
    aliases: (i) => `a${i}: &a${i} [${i > 0 ? `*a${i - 1}` : ''}]\n`,
  };
  const closed = `${deep}${']'.repeat(200_000)}`;
  return [
    ...Object.entries(places).flatMap(([name, probe]) =>
      [
        ['deep', `{"x":${closed}}`],
        ['cut', deep],
        ['wide', wide],
      ].map(([how = '', text = '']) => ({
        kind: 'B13 deep and wide',
        name: `${name}, ${how}`,
        ...probe(text),
      })),
    ),
    ...Object.entries(yamlLines).map(([what, lineOf]) => ({
      kind: 'B13 deep and wide',
      name: `YAML configuration, ${what}`,
      prepare: (/** @type {Place} */ { write }) =>
        void write('config.yaml', Array.from({ length: 50_000 }, (_, i) => lineOf(i)).join('')),
      args: ['train', '--config', 'config.yaml', '--dry-run'],
    })),
    {
      kind: 'B13 many images',
      name: '200,000 images in one class',
      alone: true,
      ...inspected('folder:set', ({ work }) => {
        mkdirSync(join(work, 'set', 'a'), { recursive: true });
        for (let i = 0; i < 200_000; i++) writeFileSync(join(work, 'set', 'a', `${i}.png`), '');
      }),
    },
  ];
}

/** Lines of JSON with unexpected content. @returns {Probe[]} */
export function lines() {
  const values = [
    'null',
    '1',
    '[]',
    '"x"',
    '{}',
    JSON.stringify({ ...line, step: 'x' }),
    JSON.stringify({ ...line, step: -1 }),
    JSON.stringify({ ...line, loss: '1' }),
    JSON.stringify({ ...line, lossByQuarter: null }),
    JSON.stringify({ ...line, lossByQuarter: { length: 4 } }),
    JSON.stringify({ ...line, eval: null }),
    JSON.stringify({ ...line, eval: { x: 'y' } }),
    JSON.stringify({ ...line, drawsByLevel: 3 }),
    '{"step":1e999}',
    'no JSON',
  ];
  /** @type {Record<string, readonly string[]>} */
  const commands = {
    'run/metrics.jsonl': ['report', 'run'],
    'run/difficulty.jsonl': ['eval', 'difficulty', 'run'],
  };
  const all = Object.entries(commands).flatMap(([path, args]) =>
    values.map((value) => ({
      kind: 'B14 lines',
      name: `${path}: ${value.slice(0, 40)}`,
      withRun: true,
      prepare: (/** @type {Place} */ { write }) => void write(path, `${value}\n`),
      args,
    })),
  );
  const more = ['null', '{}', '{"step":"x"}', 'no JSON'].flatMap((value) => [
    {
      kind: 'B14 lines',
      name: `metrics.jsonl of a resumed run: ${value}`,
      withRun: true,
      prepare: (/** @type {Place} */ { write }) => void write('run/metrics.jsonl', `${value}\n`),
      args: ['train', '--resume', '--out', 'run'],
    },
    {
      kind: 'B14 lines',
      name: `best.json of a resumed run: ${value}`,
      withRun: true,
      prepare: (/** @type {Place} */ { write }) => void write('run/checkpoints/best.json', value),
      args: ['train', '--resume', '--out', 'run'],
    },
    {
      kind: 'B14 lines',
      name: `config.json of a run: ${value}`,
      withRun: true,
      prepare: (/** @type {Place} */ { write }) => void write('run/config.json', value),
      args: ['report', 'run'],
    },
  ]);
  return [...all, ...more];
}

/** Reports and tables that users share with others. @returns {Probe[]} */
export function sharing() {
  const formulas = ['=cmd()', '+1+cmd()', '-1+cmd()', '@cmd()', '\t=cmd()'];
  return [
    {
      kind: 'B15 sharing',
      name: 'report.html',
      withRun: true,
      args: ['report', 'run'],
      check: ({ work }) => {
        const html = readFileSync(join(work, 'run', 'report.html'), 'utf8');
        if (!html.includes('Content-Security-Policy')) return 'no Content-Security-Policy';
        if (html.includes(hostname())) return 'the name of the host is in it';
        return html.includes('/data.npz') ? 'the path of the data is in it' : undefined;
      },
    },
    {
      kind: 'B15 sharing',
      name: 'metrics.csv',
      withRun: true,
      prepare: ({ write }) => {
        const values = Object.fromEntries(formulas.map((name) => [name, 1]));
        write('run/metrics.jsonl', `${JSON.stringify({ ...line, eval: values })}\n`);
      },
      args: ['report', '--csv', 'run'],
      check: ({ work }) => {
        const path = join(work, 'run', 'metrics.csv');
        const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
        const cells = text.split(/[,\r\n]/).map((cell) => cell.replaceAll('"', ''));
        const formula = cells.find((cell) => /^[\t=+\-@]/.test(cell) && !Number.isFinite(Number(cell)));
        return formula === undefined ? undefined : `the cell ${formula} is a formula`;
      },
    },
    {
      kind: 'B15 sharing',
      name: 'page of experiments',
      prepare: ({ write }) => {
        write('e/x/project.json', { targets: { experiment: {} } });
        write('e/x/results/laptop/results.json', {
          experiment: 'x',
          configuration: 'laptop',
          claim: '<img src=x onerror=alert(1)>',
          inShort: '[x](javascript:alert(1))',
          verdict: 'open',
          sentences: ['<script>alert(1)</script>'],
          isComplete: true,
          seeds: [1],
          command: 'nx',
          machine: { cpu: 'x', cores: 2, node: '20', onnxruntime: '1' },
          trialMinutes: 1,
          tables: [{ title: '| a', columns: ['<b>'], rows: [['| <i>']] }],
          figures: [],
        });
      },
      args: ['report', '--experiments', 'e', '--out', 'page.md'],
      check: ({ work }) => {
        const page = existsSync(join(work, 'page.md')) ? readFileSync(join(work, 'page.md'), 'utf8') : '';
        return /(?<!\\)<(img|script|b|i)\b/.test(page) ? 'markup of the results is in the page' : undefined;
      },
    },
  ];
}
