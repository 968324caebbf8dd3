// Control characters, bidi controls and forged lines in every place that `dm` quotes from, through the built command.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import crc32 from 'crc-32';
import { writeNpz, writeShard } from '@dm/data';
import { formatSafetensors } from '@dm/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dm } from '../testing/command.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';

/** Each kind of character that must not come through, and lines that pretend to be ours. */
const evil =
  'E\u001B[31m\u001B]0;t\u0007\u009B2J\r\u007F\u0085\u202Ex\u2066\u2069\u200E\u061C\u2028\u2029\u200B\uFEFF\u00AD\u{E0041}' +
  '\nerror: FORGED\nstep 1/1  100%';
/** The same as a name of a file, which has no slash. */
const evilName = evil.replaceAll('/', '-');

const unsafe = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;
const forged = /^(?:error: FORGED|step 1[/-]1 )/m;

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

interface Output {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (part: Buffer) => stdout.push(part));
    child.stderr.on('data', (part: Buffer) => stderr.push(part));
    child.on('error', reject);
    child.on('close', () => resolve({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) }));
  });
}

/** Throws unless the bytes are UTF-8 without anything that a terminal obeys, and no line is forged. */
function checkSafe(bytes: Buffer): string {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  expect(text).not.toMatch(unsafe);
  expect(text).not.toMatch(forged);
  return text;
}

/** A zip archive without compression. */
function zip(files: Readonly<Record<string, Uint8Array>>): Buffer {
  const [parts, directory]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const path = Buffer.from(name);
    const header = Buffer.alloc(26);
    header.writeUInt16LE(20, 0); // version needed
    header.writeUInt16LE(0x800, 2); // UTF-8
    header.writeInt32LE(crc32.buf(content), 10);
    header.writeUInt32LE(content.length, 14);
    header.writeUInt32LE(content.length, 18);
    header.writeUInt16LE(path.length, 22);
    const end = Buffer.alloc(14);
    end.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\u0001\u0002'), Buffer.from([20, 0]), header, end, path);
    const local = [Buffer.from('PK\u0003\u0004'), header, path, Buffer.from(content)];
    parts.push(...local);
    offset += Buffer.concat(local).length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  const count = Object.keys(files).length;
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from('PK\u0005\u0006'), end]);
}

let folder: string;
const at = (...path: string[]) => join(folder, ...path);
const put = (path: string, content: string | Uint8Array) => {
  mkdirSync(at(path, '..'), { recursive: true });
  writeFileSync(at(path), content);
  return at(path);
};
const putJson = (path: string, value: unknown) => put(path, JSON.stringify(value));

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

/** A copy of the run that `change` is made to. */
function runWith(name: string, change: (path: string) => void): string {
  cpSync(at('run'), at(name), { recursive: true });
  change(name);
  return at(name);
}

beforeAll(async () => {
  folder = await tinyFolder();
  putJson('tiny.json', tinyConfig(folder, 2));
  const { code, stderr } = await dm(['train', '--config', 'tiny.json', '--out', 'run'], folder);
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Probe {
  readonly args: readonly string[] | (() => readonly string[] | Promise<readonly string[]>);
  readonly env?: Readonly<Record<string, string>>;
  /** The text need not be in the output, as long as nothing raw is. */
  readonly mayBeSilent?: boolean;
}

/** Runs `call` with the evil text within the process of `dm`, when it is done. */
function atTheEnd(call: string): Readonly<Record<string, string>> {
  const script = `process.once('beforeExit', () => (${call})(${JSON.stringify(evil)}))`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}

const config = (name: string, value: unknown) => (): string[] => [
  'train',
  '--dry-run',
  '--config',
  putJson(`${name}.json`, value),
];
const manifest = (name: string, fields: object) => () => {
  const path = runWith(name, (to) => {
    const file = at(to, 'checkpoints', 'step-000002', 'manifest.json');
    putJson(`${to}/checkpoints/step-000002/manifest.json`, {
      ...(JSON.parse(readFileSync(file, 'utf8')) as object),
      ...fields,
    });
  });
  return ['sample', '--checkpoint', join(path, 'checkpoints', 'step-000002')];
};

const probes: Readonly<Record<string, Probe>> = {
  // The command line.
  'a command': { args: [evil] },
  'a flag': { args: ['train', `--${evil}`] },
  'a flag with a near name': { args: ['train', `--batch-siz${evil}`] },
  'a flag of a command below': { args: ['data', 'inspect', 'x', `--${evil}`] },
  'one argument too many': { args: ['sample', evil], mayBeSilent: true },
  'a command for help': { args: ['help', evil], mayBeSilent: true },
  'a number': { args: ['train', '--batch-size', evil] },
  'a choice': { args: ['data', 'inspect', 'x', '--split', evil] },
  'numbers with commas': { args: ['eval', 'difficulty', 'run', '--within', evil] },
  'an interval': { args: ['sample', '--run', 'run', '--guidance-interval', evil] },
  '--set': { args: ['train', '--set', evil] },
  'a value of --set': { args: ['train', '--set', `seed=${evil}`] },
  'a field of --set': { args: ['train', '--set', `${evil}=1`] },
  '--preset': { args: ['train', '--preset', evil] },
  '--model': { args: ['train', '--model', evil] },
  '--engine': { args: ['train', '--engine', evil] },
  '--curriculum': { args: ['train', '--curriculum', evil] },
  'data on the command line': { args: ['train', '--dry-run', '--data', evil] },
  'data with a scheme': { args: ['data', 'inspect', `https://${evil}`] },
  'data to fetch': { args: ['data', 'fetch', evil] },
  'a folder to prepare': { args: ['data', 'prepare', evil, '--out', 'x.shard'] },
  'a configuration file': { args: ['train', '--config', evil] },
  'a run to report': { args: ['report', evil] },
  'runs beside --experiments': { args: ['report', evil, '--experiments'] },
  'a folder of experiments': { args: ['report', '--experiments', evil] },
  'a run to sample from': { args: ['sample', '--run', evil] },
  'a run as JSON': { args: ['sample', '--run', evil, '--json'] },
  'a sampler': { args: ['sample', '--run', 'run', '--sampler', evil] },
  'weights to sample from': { args: ['sample', '--run', 'run', '--weights', evil] },
  'a file of noise': { args: ['sample', '--run', 'run', '--noise', evil] },
  'a format of exports': { args: ['export', '--run', 'run', '--out', 'x', '--format', evil] },
  'a pipeline to import': { args: ['import', evil, '--out', 'imported'] },
  'a metric': { args: ['eval', 'a', 'b', '--metrics', evil] },
  'an extractor': { args: ['eval', 'a', 'b', '--extractor', evil] },
  'sets to compare': { args: ['eval', 'consistency', evil, evil] },
  'a picture': { args: ['eval', 'consistency', 'a', 'b', '--grid', evil] },
  'a file of curves': { args: ['eval', 'difficulty', 'run', '--svg', evil] },
  'a stack and its causes': { args: ['train', '--config', evil, '--debug'] },
  'a folder written to': {
    args: () => ['report', 'run', '--out', at(put(evilName, ''), 'x.html').slice(folder.length + 1)],
  },

  // Configurations.
  'JSON that does not parse': { args: () => ['train', '--config', put('bad.json', `{"a": ${evil}`)] },
  'JSON that does not parse, for programs': {
    args: () => ['train', '--json', '--config', put('bad2.json', `{"a": ${evil}`)],
  },
  'YAML that does not parse': {
    args: () => ['train', '--config', put('bad.yaml', `"a\u001B[31m\u202E\u009B": [\u001B\u202E\n b: c: d`)],
    mayBeSilent: true,
  },
  'a tag of YAML': {
    args: () => ['train', '--dry-run', '--config', put('tag.yaml', `seed: !x%1b\u001B\u202E\u009B 1\nfoo: 1`)],
    mayBeSilent: true,
  },
  'an alias of YAML': { args: () => ['train', '--config', put('alias.yaml', `seed: *x\u001B\u202E\u009B`)] },
  'an unknown field': { args: config('field', { [evil]: 1 }) },
  'an unknown field within a part': { args: config('inner', { optimizer: { type: 'adamW', [evil]: 1 } }) },
  'a value': { args: config('value', { batchSize: evil }) },
  'a type': { args: config('type', { optimizer: evil }) },
  'a preset': { args: config('preset', { preset: evil }) },
  'a preset that is an object': { args: config('presets', { preset: { [evil]: evil } }) },
  'an option of a model': { args: config('model', { model: { type: 'unet', down_block_types: [evil] } }) },
  'a field of a model': { args: config('model-field', { model: { type: 'unet', [evil]: 1 } }) },
  'a field of a curriculum': { args: config('curriculum', { curriculum: { type: 'clts', [evil]: 1 } }) },
  data: { args: config('data', { data: evil }) },
  'data of an image folder': { args: config('data-dir', { data: `folder:${evil}` }) },
  'a name of an average': { args: config('averages', { extraEmas: { [evil]: { type: evil } } }) },
  'an extractor of evaluations': {
    args: config('evaluation', { evaluation: { every: 1, extractor: evil, metrics: [evil] } }),
  },
  'a run to start from': { args: config('init', { ...tinyConfig('.', 2), initFrom: evil }) },

  // Data.
  'a class of an image folder': {
    args: () => (
      put(`classes/${evilName}/a.png`, png),
      ['data', 'inspect', `folder:${at('classes')}`, '--image-size', '8']
    ),
  },
  'a class, for programs': {
    args: () => (
      put(`classes2/${evilName}/a.png`, png),
      ['data', 'inspect', `folder:${at('classes2')}`, '--image-size', '8', '--json']
    ),
  },
  'an image that is none': {
    args: () => (
      put(`images/a/${evilName}.png`, 'none'),
      ['data', 'inspect', `folder:${at('images')}`, '--image-size', '8']
    ),
  },
  'images that were skipped': {
    args: () => {
      put('skipped/a/a.png', png);
      put(`skipped/a/${evilName}.png`, 'none');
      return ['data', 'inspect', `folder:${at('skipped')}`, '--image-size', '8', '--skip-bad'];
    },
  },
  'labels of an image folder': {
    args: () => {
      put(`labeled/${evilName}.png`, png);
      putJson('labeled/dataset.json', { labels: [[evil, 0]] });
      return ['data', 'inspect', `folder:${at('labeled')}`, '--image-size', '8'];
    },
  },
  'a name in a zip archive': {
    args: () => ['data', 'inspect', put('names.zip', zip({ [`${evilName}/a.png`]: png })), '--image-size', '8'],
  },
  'an image in a zip archive that is none': {
    args: () => [
      'data',
      'inspect',
      put('none.zip', zip({ [`a/${evilName}.png`]: Buffer.from('none') })),
      '--image-size',
      '8',
    ],
  },
  'a name in an npz': {
    args: async () => {
      await writeNpz(at('names.npz'), { [evilName]: { shape: [1], data: new Uint8Array(1) } });
      return ['data', 'inspect', at('names.npz')];
    },
  },
  'the header of an npy': {
    args: () => [
      'data',
      'inspect',
      put('head.npy', Buffer.from(`\u0093NUMPY\u0001\u0000\u0070\u0000{'descr': '${evil}`.padEnd(160), 'latin1')),
    ],
    mayBeSilent: true,
  },
  'the name and classes of a shard': {
    args: async () => {
      const images = [new Uint8Array(2 * 4 * 4)];
      const labels = Int32Array.of(0, 1);
      await writeShard(at('names.shard'), { name: evil, shape: [4, 4, 1], classes: [evil, 'b'], images, labels });
      return ['data', 'inspect', at('names.shard')];
    },
  },
  'a folder of data': { args: () => (put(`${evilName}d/x.txt`, ''), ['data', 'inspect', at(`${evilName}d`)]) },

  // Models.
  'tensors of an extractor': {
    args: () => {
      const weights = formatSafetensors(
        { [evil]: { dtype: 'float32', shape: [1], data: new Float32Array(1) } },
        { [evil]: evil },
      );
      return [
        'eval',
        at('data.npz'),
        at('data.npz'),
        '--extractor',
        'classifier',
        '--weights',
        put('w.safetensors', weights),
      ];
    },
    mayBeSilent: true,
  },
  'a model_index.json': {
    args: () => (
      putJson('p1/model_index.json', { _class_name: evil, unet: ['diffusers', evil], scheduler: [evil, evil] }),
      ['import', at('p1'), '--out', at('i1')]
    ),
  },
  'a scheduler': {
    args: async () => {
      const { code, stderr } = await dm(['export', '--run', 'run', '--out', 'p2'], folder);
      if (code !== 0) throw new Error(stderr);
      const file = 'p2/scheduler/scheduler_config.json';
      putJson(file, { ...(JSON.parse(readFileSync(at(file), 'utf8')) as object), [evil]: 1 });
      return ['import', at('p2'), '--out', at('i2')];
    },
  },
  'the class of a scheduler': {
    args: () => {
      putJson('p3/model_index.json', {
        _class_name: 'DDPMPipeline',
        unet: ['diffusers', 'UNet2DModel'],
        scheduler: ['diffusers', 'DDPMScheduler'],
      });
      putJson('p3/unet/config.json', { _class_name: 'UNet2DModel', sample_size: 8, in_channels: 1, out_channels: 1 });
      putJson('p3/scheduler/scheduler_config.json', { _class_name: evil });
      return ['import', at('p3'), '--out', at('i3')];
    },
  },
  'a model of a pipeline': {
    mayBeSilent: true,
    args: () => {
      putJson('p4/model_index.json', {
        _class_name: 'DDPMPipeline',
        unet: ['diffusers', 'UNet2DModel'],
        scheduler: ['diffusers', 'DDPMScheduler'],
      });
      putJson('p4/unet/config.json', { _class_name: evil, [evil]: evil });
      putJson('p4/scheduler/scheduler_config.json', { _class_name: 'DDPMScheduler' });
      return ['import', at('p4'), '--out', at('i4')];
    },
  },

  // Run folders.
  'the owner of a lock': {
    args: () => {
      const path = runWith('locked', (to) => putJson(`${to}/run.lock`, { pid: 1, host: evil }));
      return ['train', '--resume', '--out', path];
    },
    mayBeSilent: true,
  },
  'the engine of a run': {
    args: () => {
      const path = runWith('engine', (to) => {
        const saved = JSON.parse(readFileSync(at(to, 'config.json'), 'utf8')) as object;
        putJson(`${to}/config.json`, { ...saved, engine: evil, recorded: { engine: evil, [evil]: evil } });
      });
      return ['sample', '--run', path];
    },
  },
  'what a run recorded': {
    args: () => {
      const path = runWith('recorded', (to) => {
        const saved = JSON.parse(readFileSync(at(to, 'config.json'), 'utf8')) as { recorded?: object };
        putJson(`${to}/config.json`, {
          ...saved,
          recorded: { ...saved.recorded, engine: evil, dm: evil, node: evil, dataset: evil },
        });
      });
      return ['train', '--resume', '--set', 'totalSteps=3', '--out', path];
    },
    mayBeSilent: true,
  },
  'the data of a run that is resumed': {
    args: () => {
      const path = runWith('moved', (to) => {
        const saved = JSON.parse(readFileSync(at(to, 'config.json'), 'utf8')) as object;
        putJson(`${to}/config.json`, { ...saved, data: evil });
      });
      return ['train', '--resume', '--out', path];
    },
  },
  'the version of a checkpoint': { args: manifest('m1', { version: evil, format: evil }), mayBeSilent: true },
  'the files of a checkpoint': {
    args: manifest('m2', { files: { [evil]: { bytes: 1, sha256: evil } } }),
    mayBeSilent: true,
  },
  'the entries of a checkpoint': { args: manifest('m3', { [evil]: evil, step: evil }), mayBeSilent: true },
  'a folder among checkpoints': {
    args: () => {
      const path = runWith('extra', (to) => mkdirSync(at(to, 'checkpoints', `step-000009${evilName}`)));
      return ['sample', '--run', path, '--out', 'extra.png'];
    },
    mayBeSilent: true,
  },
  'a line of the log': {
    args: () => ['report', runWith('log', (to) => put(`${to}/metrics.jsonl`, `{"step": 1, ${evil}}\n{}\n`))],
    mayBeSilent: true,
  },
  'a metric of the log': {
    args: () => {
      const path = runWith('metric', (to) =>
        put(`${to}/metrics.jsonl`, `${JSON.stringify({ step: evil, eval: { [evil]: evil } })}\n`),
      );
      return ['report', path];
    },
    mayBeSilent: true,
  },
  'a line of difficulties': {
    args: () => [
      'eval',
      'difficulty',
      runWith('difficulty', (to) => put(`${to}/difficulty.jsonl`, `${JSON.stringify({ [evil]: evil })}\n${evil}\n`)),
    ],
    mayBeSilent: true,
  },
  'the folder of a run': { args: () => ['report', runWith(`run${evilName}`, () => {})] },
  'the folder of a run, for programs': { args: () => ['report', runWith(`run2${evilName}`, () => {}), '--json'] },
  'a run that is trained': { args: ['train', '--config', 'tiny.json', '--out', `trained${evilName}`] },
  'a run that is trained, for programs': {
    args: ['train', '--config', 'tiny.json', '--json', '--out', `trained2${evilName}`],
  },
  'results of an experiment': {
    args: () => {
      putJson('experiments/one/project.json', { targets: { experiment: {} } });
      putJson('experiments/one/results/laptop/results.json', { experiment: evil, verdict: evil });
      return ['report', '--experiments', at('experiments')];
    },
    mayBeSilent: true,
  },
  'an experiment without results': {
    args: () => {
      putJson(`empty/${evilName}/project.json`, { targets: { experiment: {} } });
      return ['report', '--experiments', at('empty'), '--out', 'page.md'];
    },
  },

  // The environment.
  'a cache': { args: ['data', 'inspect', 'cifar10'], env: { DM_CACHE: evil } },
  'a warning of Node': { args: ['data', 'fetch', 'x'], env: atTheEnd('process.emitWarning') },
  'a warning of Node with a type': {
    args: ['data', 'fetch', 'x'],
    env: atTheEnd('(text) => process.emitWarning(text, text)'),
  },
  'an error that nothing catches': {
    args: ['data', 'fetch', 'x'],
    env: atTheEnd('(text) => { throw new Error(text) }'),
  },
  'a rejection that nothing catches': {
    args: ['data', 'fetch', 'x'],
    env: atTheEnd('(text) => void Promise.reject(text)'),
  },
  'what a library logs': {
    args: ['data', 'fetch', 'x'],
    env: atTheEnd('(text) => console.log(text.replaceAll("\\n", ""))'),
  },
  'bytes that a library writes': {
    args: ['data', 'fetch', 'x'],
    env: atTheEnd('(text) => process.stdout.write(Buffer.from(text.replaceAll("\\n", "")))'),
  },
};

describe('what dm prints', () => {
  it('is probed in at least 60 places', () => {
    expect(Object.keys(probes).length).toBeGreaterThanOrEqual(60);
  });

  it.concurrent.each(Object.entries(probes))(
    'obeys nothing in %s',
    async (_, { args, env = {}, mayBeSilent = false }) => {
      const { stdout, stderr } = await run(typeof args === 'function' ? await args() : args, env);
      const text = checkSafe(stdout) + checkSafe(stderr);
      expect(mayBeSilent || /\\u202e|\\x1b|\\u001b/i.test(text), text).toBe(true);
    },
    300_000,
  );
});
