// All readers of files, as functions of a damaged input.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  openCifar100,
  openDataset,
  openIdx,
  openImageFolder,
  openImageZip,
  parseCifar,
  parseIdx,
  parseNpy,
  parseNpz,
  readIdx,
  verifyShard,
} from '@dm/data';
import { readStatistics } from '@dm/eval';
import { loadModel, parseSafetensors, parseShards } from '@dm/models';
import {
  configFile,
  importPipeline,
  latestCheckpoint,
  metricsCsv,
  presets,
  readCheckpoint,
  readDifficulty,
  readExperiments,
  readMetrics,
  resolveConfig,
  train,
} from '@dm/trainer';
import { zipSync } from 'fflate';
import { mutated, mutatedJson } from './mutate.mjs';
import * as seeds from './seeds.mjs';
/** @import { Random } from '../random.mjs' */
/** @import { Dataset } from '@dm/data' */

/**
 * @typedef {object} Reader
 * @property {string} name
 * @property {number} share relative number of inputs: 1 for most readers, less for slow ones
 * @property {(random: Random) => Uint8Array} input
 * @property {(bytes: Uint8Array) => unknown} read reads the whole input; may return a promise
 */

/**
 * @param {string} folder for the input files of readers that take paths
 * @returns {Promise<Reader[]>}
 */
export async function openReaders(folder) {
  /** @param {string} name @param {Uint8Array | string} content */
  const write = (name, content) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  };
  /** Turns a reader of files into a reader of bytes. @param {string} name @param {(path: string) => unknown} read */
  const fromFile = (name, read) => {
    write(name, '');
    return (/** @type {Uint8Array} */ bytes) => read(write(name, bytes));
  };
  const images = await seeds.imageFiles();
  const [[png], [jpeg]] = [images.png, images.jpeg];
  const zips = seeds.zipFiles(png, jpeg);
  const shards = await seeds.shardFiles(folder);
  const statistics = await seeds.statisticsFiles(folder);
  const presetList = Object.values(presets);
  const yaml = presetList.map(asYaml);
  return [
    bytesReader('safetensors', seeds.safetensorsFiles, parseSafetensors, safetensorsWithHeader),
    jsonReader('safetensors index', [seeds.sharded.index], (bytes) =>
      parseShards(Buffer.from(bytes).toString(), seeds.sharded.shards),
    ),
    bytesReader('npy', seeds.npyFiles, (bytes) => parseNpy(bytes, 'x'), npyWithHeader),
    bytesReader('npy data set', seeds.npyFiles, fromFile('x.npy', readAll), npyWithHeader),
    bytesReader('npz', seeds.npzFiles, (bytes) => parseNpz(bytes, 'x')),
    bytesReader('npz data set', seeds.npzFiles, fromFile('x.npz', readAll), npzWithMember),
    bytesReader('idx', seeds.idxFiles, (bytes) => parseIdx(bytes, 'x')),
    bytesReader('idx, gzip', seeds.gzippedIdxFiles, fromFile('x-idx3-ubyte.gz', readIdx)),
    bytesReader('idx labels', seeds.idxLabels, (bytes) => {
      const path = write('images-idx3-ubyte', /** @type {Uint8Array} */ (seeds.idxFiles[0]));
      return openIdx({ images: path, labels: write('labels-idx1-ubyte', bytes) });
    }),
    bytesReader('CIFAR binary', seeds.cifarFiles, (bytes) =>
      parseCifar(bytes, 'x', bytes.length % 2 === 0 ? cifar100 : cifar10),
    ),
    bytesReader('CIFAR-100 names', seeds.classNames, (bytes) => {
      write('cifar100/train.bin', /** @type {Uint8Array} */ (seeds.cifarFiles[1]));
      return openCifar100({ dir: dirname(write('cifar100/fine_label_names.txt', bytes)) });
    }),
    bytesReader('zip of images', zips, fromFile('x.zip', readZip)),
    jsonReader('dataset.json in a zip', [seeds.metadataJson], (bytes) => {
      const files = { '00000/1.png': png, '00000/2.png': png, 'dataset.json': bytes };
      return readZip(write('labels.zip', zipSync(files, { level: 0 })));
    }),
    ...Object.entries(images).map(([format, files]) =>
      bytesReader(`image: ${format}`, files, async (bytes) => {
        const path = dirname(write(`images-${format}/1.${format}`, bytes));
        const set = await openImageFolder({ path, size: 4 });
        return set.read([0]);
      }),
    ),
    bytesReader('shard', shards, fromFile('x.shard', readShard), shardWithDescription),
    bytesReader(
      'statistics',
      statistics,
      fromFile('statistics-x.npz', (path) => readStatistics(path)),
      npzWithMember,
    ),
    jsonReader('configuration, JSON', presetList, fromFile('config.json', resolve)),
    bytesReader('configuration, YAML', yaml, fromFile('config.yaml', resolve)),
    manifestReader(seeds.checkpoint(join(folder, 'checkpoints')), (bytes) => {
      write('checkpoints/step-000020/manifest.json', bytes);
      latestCheckpoint(join(folder, 'checkpoints'));
      return readCheckpoint(join(folder, 'checkpoints/step-000020'));
    }),
    linesReader(
      'metrics lines',
      seeds.metricsLines,
      fromFile('metrics.jsonl', (path) => metricsCsv(readMetrics(path))),
    ),
    linesReader('difficulty lines', seeds.difficultyLines, fromFile('difficulty.jsonl', readDifficulty)),
    jsonReader('results of experiments', [seeds.experimentResults], (bytes) => {
      write('experiments/x/project.json', JSON.stringify({ targets: { experiment: {} } }));
      write('experiments/x/results/laptop/results.json', bytes);
      return readExperiments(join(folder, 'experiments'));
    }),
    ...pipelineReaders(folder, write),
    jsonReader('run.lock', [seeds.lock], lockReader(folder, write), 0.25),
  ];
}

const cifar10 = /** @type {const} */ ({ labelBytes: 1, classes: 10 });
const cifar100 = /** @type {const} */ ({ labelBytes: 2, labelAt: 1, classes: 100 });

/**
 * @param {string} name
 * @param {readonly Uint8Array[]} files
 * @param {Reader['read']} read
 * @param {(random: Random, files: readonly Uint8Array[]) => Uint8Array} [structured] creates damaged
 *   files that pass the format's first checks, for example with a consistent header length
 * @returns {Reader}
 */
function bytesReader(name, files, read, structured) {
  const input = (/** @type {Random} */ random) =>
    structured !== undefined && random.chance(0.5) ? structured(random, files) : mutated(random, files);
  return { name, share: 1, input, read };
}

/** @param {string} name @param {readonly unknown[]} values @param {Reader['read']} read @returns {Reader} */
function jsonReader(name, values, read, share = 1) {
  const files = values.map((value) => Buffer.from(JSON.stringify(value)));
  const input = (/** @type {Random} */ random) =>
    random.chance(0.7) ? Buffer.from(mutatedJson(random, values)) : mutated(random, files);
  return { name, share, input, read };
}

/** @param {string} name @param {readonly (readonly unknown[])[]} logs @param {Reader['read']} read @returns {Reader} */
function linesReader(name, logs, read) {
  const text = (/** @type {readonly unknown[]} */ lines) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const files = logs.map((lines) => Buffer.from(text(lines)));
  const input = (/** @type {Random} */ random) => {
    if (random.chance(0.3)) return mutated(random, files);
    const lines = random.pick(logs).map((line) => JSON.stringify(line));
    const at = random.below(lines.length);
    lines[at] = mutatedJson(random, [JSON.parse(lines[at] ?? 'null')]);
    return Buffer.from(lines.map((line) => `${line}\n`).join(''));
  };
  return { name, share: 1, input, read };
}

/** @param {string} spec */
async function readAll(spec) {
  return readSet(await openDataset(spec));
}

/** @param {Dataset} set */
async function readSet(set) {
  const count = Math.min(set.length, 16);
  return [await set.hash(), await set.read(Array.from({ length: count }, (_, i) => i))];
}

/** @param {string} path */
async function readZip(path) {
  return readSet(await openImageZip({ path, size: 2 }));
}

/** @param {string} path */
async function readShard(path) {
  await verifyShard(path);
  return readAll(path);
}

/** @param {string} path */
const resolve = (path) => resolveConfig([configFile(path)]);

/** A manifest with damaged fields and a valid hash. */
/** @param {string} path @param {Reader['read']} read @returns {Reader} */
function manifestReader(path, read) {
  const text = readFileSync(join(path, 'manifest.json'), 'utf8');
  const { manifestSha256: _hash, ...fields } = JSON.parse(text);
  const blank = '0'.repeat(64);
  const input = (/** @type {Random} */ random) => {
    if (random.chance(0.3)) return mutated(random, [Buffer.from(text)]);
    const changed = JSON.parse(mutatedJson(random, [fields]));
    const whole = `${JSON.stringify({ ...changed, manifestSha256: blank }, null, 2)}\n`;
    const key = '"manifestSha256": "';
    return Buffer.from(whole.replace(key + blank, key + seeds.sha256(whole).toString('hex')));
  };
  return { name: 'manifest', share: 1, input, read };
}

/** @param {string} folder @param {(name: string, content: Uint8Array | string) => string} write */
function pipelineReaders(folder, write) {
  const root = join(folder, 'pipeline');
  const files = seeds.pipeline(root);
  let runs = 0;
  return Object.entries(files).map(([name, content]) => {
    const read = async (/** @type {Uint8Array} */ bytes) => {
      write(join('pipeline', name), bytes);
      const out = join(folder, `imported-${runs++}`);
      try {
        if (name.startsWith('unet/')) await loadModel(join(root, 'unet'));
        return (await importPipeline({ folder: root, out })).parameters;
      } finally {
        rmSync(out, { recursive: true, force: true });
        write(join('pipeline', name), content instanceof Uint8Array ? content : JSON.stringify(content));
      }
    };
    const label = `pipeline: ${name.slice(name.indexOf('/') + 1)}`;
    return content instanceof Uint8Array
      ? { ...bytesReader(label, [content], read, safetensorsWithHeader), share: 0.25 }
      : jsonReader(label, [content], read, 0.25);
  });
}

/** Resumes a run in a folder with this lock file; it ends because its dataset is missing. */
/** @param {string} folder @param {(name: string, content: Uint8Array | string) => string} write */
function lockReader(folder, write) {
  const out = join(folder, 'locked');
  return async (/** @type {Uint8Array} */ bytes) => {
    write('locked/config.json', JSON.stringify({ data: join(folder, 'missing.npz'), engine: 'tfjs-cpu' }));
    write('locked/run.lock', bytes);
    const status = await train({ out }, { resume: true });
    if (existsSync(join(out, 'run.lock'))) throw new Error('the lock was left');
    return status;
  };
}

/** A safetensors file with a damaged header of the correct length. */
/** @param {Random} random @param {readonly Uint8Array[]} files */
function safetensorsWithHeader(random, files) {
  const file = Buffer.from(random.pick(files));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const text = file.subarray(8, start);
  const header = random.chance(0.5)
    ? Buffer.from(mutatedJson(random, [JSON.parse(text.toString())]))
    : mutated(random, [text]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, file.subarray(start)]);
}

/**
 * A .npy file of version 1 with a damaged header of the correct length.
 *
 * @param {Random} random
 * @param {readonly Uint8Array[]} files
 */
function npyWithHeader(random, files) {
  const file = Buffer.from(random.pick(files));
  const start = 10 + file.readUInt16LE(8);
  const header = mutated(random, [file.subarray(10, start)]);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length & 0xffff);
  return Buffer.concat([file.subarray(0, 8), length, header, file.subarray(start)]);
}

/** A valid archive of damaged arrays. @param {Random} random */
function npzWithMember(random) {
  const level = random.pick(/** @type {const} */ ([0, 6]));
  const name = random.pick(['images', 'labels', 'mu', 'sigma', 'metadata']);
  const array = random.chance(0.5) ? npyWithHeader(random, seeds.npyFiles) : mutated(random, seeds.npyFiles);
  return zipSync({ 'images.npy': seeds.npyFiles[2] ?? array, [`${name}.npy`]: array }, { level });
}

/** A shard with a damaged description, whose SHA-256, offset, and length match the preamble. */
/** @param {Random} random @param {readonly Uint8Array[]} files */
function shardWithDescription(random, files) {
  const shard = Buffer.from(random.pick(files));
  const start = Number(shard.readBigUInt64LE(16));
  const text = shard.subarray(start);
  const description = random.chance(0.5)
    ? Buffer.from(mutatedJson(random, [JSON.parse(text.toString())]))
    : mutated(random, [text]);
  const bytes = Buffer.concat([shard.subarray(0, start), description]);
  bytes.writeBigUInt64LE(BigInt(description.length), 24);
  bytes.set(seeds.sha256(description), 32);
  return bytes;
}

/** A preset as YAML in block style, with an anchor and an alias. @param {object} preset */
function asYaml(preset) {
  const fields = Object.entries({ ...preset, seed: 7 }).map(([name, value]) => {
    const text = name === 'seed' ? '&a 7' : JSON.stringify(value);
    return `${name}: ${name === 'logEvery' ? '*a' : text}\n`;
  });
  return Buffer.from(fields.toSorted((x, y) => Number(y.includes('&a')) - Number(x.includes('&a'))).join(''));
}
