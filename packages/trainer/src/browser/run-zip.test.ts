import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatShard } from '@dm/data';
import { strToU8, zipSync, type Zippable } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../checkpoint/checkpoint.js';
import { exportRun } from '../interchange/export-run.js';
import { unpackRun } from '../interchange/unpack-run.js';
import { readMetrics } from '../run/metrics.js';
import { barsDataset, checkpointFiles, copyOf, sixSteps } from '../testing/browser-run.js';
import { train } from '../train.js';
import { validSteps } from './checkpoints.js';
import { createMemoryStore, type RunStore } from './run-store.js';
import { exportRunZip, importRunZip } from './run-zip.js';
import { createBrowserTraining } from './training.js';

const folder = mkdtempSync(join(tmpdir(), 'dm-zip-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A run of six steps after three. */
let half: RunStore;
let zip: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  half = createMemoryStore('half');
  const training = createBrowserTraining(sixSteps, { store: half, dataset: barsDataset() });
  for (let n = 0; n < 3; n++) await training.step();
  await training.abort();
  zip = new Uint8Array(await (await exportRunZip(half)).arrayBuffer());
});

/** Writes an archive and returns its path. */
function written(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('a run as a zip', () => {
  it('continues in Node as an unbroken run, bit-identically on the same engine', async () => {
    const whole = createMemoryStore('whole');
    const training = createBrowserTraining(sixSteps, { store: whole, dataset: barsDataset() });
    await training.run();
    await training.abort();

    const notes: string[] = [];
    const path = written('half.zip', zip);
    const out = join(folder, 'continued');
    const result = await train({ out }, { resume: path, hooks: { onNote: (text) => notes.push(text) } });
    expect(result).toMatchObject({ status: 'finished', step: 6, out });
    expect(notes).toContain(`unpacked ${path} into ${out}`);
    const { files, manifest } = readCheckpoint(result.checkpoint);
    for (const [name, bytes] of files) {
      expect(Buffer.compare(bytes, (await whole.read(`checkpoints/step-000006/${name}`))!), name).toBe(0);
    }
    expect(manifest.dataSha256).toBe(await barsDataset().hash());
    expect(readMetrics(join(out, 'metrics.jsonl')).map(({ step }) => step)).toEqual([2, 4, 6]);
    // From now on it is a run like any other.
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({
      data: join(out, 'data.shard'),
      out,
    });
    await expect(train({ out }, { resume: path })).rejects.toThrowWith({ code: 'FILE_EXISTS', contains: out });
    const asFolder = { code: 'FILE_INVALID', contains: `dm train --resume --out ${out}` };
    await expect(train({ out }, { resume: out })).rejects.toThrowWith(asFolder);
  });

  it('is the same file whenever it is exported, and opens in another store', async () => {
    expect(new Uint8Array(await (await exportRunZip(half)).arrayBuffer())).toEqual(zip);
    const store = createMemoryStore('opened');
    await importRunZip(store, zip);
    expect(await checkpointFiles(store)).toEqual(await checkpointFiles(half));
    const training = createBrowserTraining(sixSteps, { store });
    expect(await training.open()).toMatchObject({ step: 3 });
    await training.abort();
    await expect(importRunZip(store, zip)).rejects.toThrowWith({ code: 'RUN_EXISTS', contains: 'opened' });
    await expect(exportRunZip(createMemoryStore('empty'))).rejects.toThrowWith({ code: 'RUN_NOT_FOUND' });
  });

  it('opens in a browser what Node exported, and continues it there', async () => {
    const out = join(folder, 'of-node');
    const data = join(folder, 'bars.shard');
    writeFileSync(data, await formatShard(barsDataset()));
    await train({ ...sixSteps, data, out, budgets: { steps: 3 } });
    const path = join(folder, 'of-node.zip');
    expect(await exportRun({ run: out, out: path })).toEqual({ out: path, checkpoints: [3], images: 23 });
    const store = createMemoryStore('of-node');
    await importRunZip(store, readFileSync(path));
    const training = createBrowserTraining({}, { store });
    expect(await training.open()).toMatchObject({ step: 3, totalSteps: 6 });
    expect(await training.run()).toMatchObject({ status: 'finished' });
    await training.abort();
    const { checkpoint } = await train({ out }, { resume: true });
    for (const [name, bytes] of readCheckpoint(checkpoint).files) {
      expect(Buffer.compare(bytes, (await store.read(`checkpoints/step-000006/${name}`))!), name).toBe(0);
    }
    await expect(exportRun({ run: out, out: path })).rejects.toThrowWith({ code: 'FILE_EXISTS', contains: path });
    const linked = join(folder, 'linked.zip');
    writeFileSync(join(folder, 'secret'), 'secret');
    symlinkSync(join(folder, 'secret'), join(out, 'checkpoints', 'best.json'));
    await expect(exportRun({ run: out, out: linked })).rejects.toThrow('best.json');
    expect(existsSync(linked)).toBe(false);
    await expect(exportRun({ run: folder, out: join(folder, 'x.zip') })).rejects.toThrowWith({ code: 'RUN_NOT_FOUND' });
  });

  it('has weights also if training removes the listed checkpoints meanwhile', async () => {
    const store = createMemoryStore('fast');
    const config = { ...sixSteps, totalSteps: 400, checkpoints: { every: 1, keepLast: 1 } };
    const training = createBrowserTraining(config, { store, dataset: barsDataset() });
    await training.step();
    /** Reading the data takes as long as four steps. */
    const slow: RunStore = {
      ...store,
      read: async (path) => {
        const bytes = await store.read(path);
        if (path === 'data.shard') for (let n = 0; n < 4; n++) await training.step();
        return bytes;
      },
    };
    const target = createMemoryStore('target');
    await importRunZip(target, await exportRunZip(slow));
    expect((await validSteps(target)).length).toBeGreaterThan(0);
    const read = async (path: string) => (path.endsWith('manifest.json') ? undefined : store.read(path));
    await expect(exportRunZip({ ...store, read })).rejects.toThrowWith({ code: 'CHECKPOINT_NOT_FOUND' });
    await training.abort();
  });

  it('leaves out damaged checkpoints', async () => {
    const store = await copyOf(half);
    const path = 'checkpoints/step-000003/model.safetensors';
    const bytes = (await store.read(path))!;
    bytes[200]! ^= 1;
    await store.write(path, bytes);
    const target = createMemoryStore('target');
    await importRunZip(target, await exportRunZip(store));
    expect(await validSteps(target)).toEqual([]);
    expect((await target.list()).map((file) => file.path)).toEqual(['config.json', 'data.shard', 'metrics.jsonl']);
  });
});

describe('a hostile or damaged zip', () => {
  /** The files of a valid archive, with changes (undefined leaves a file out). */
  async function archive(changes: Record<string, Zippable[string] | undefined>): Promise<Uint8Array> {
    const files: Zippable = {};
    for (const { path } of await half.list()) files[path] = [(await half.read(path))!, { level: 0 }];
    for (const [name, content] of Object.entries(changes)) {
      if (content === undefined) delete files[name];
      else files[name] = content;
    }
    return zipSync(files);
  }

  const cases: Record<string, readonly [() => Promise<Uint8Array> | Uint8Array, code: string, contains: string]> = {
    'a path out of the folder': [() => archive({ '../evil.json': strToU8('{}') }), 'FILE_INVALID', 'evil.json'],
    'a path out of a checkpoint': [
      () => archive({ 'checkpoints/step-000003/../../../x.json': strToU8('{}') }),
      'FILE_INVALID',
      'x.json',
    ],
    'an absolute path': [() => archive({ '/etc/x.json': strToU8('{}') }), 'FILE_INVALID', 'x.json'],
    'a file that runs do not have': [() => archive({ 'run.lock': strToU8('{}') }), 'FILE_INVALID', 'run.lock'],
    'names that differ in case only': [
      () =>
        archive({
          'checkpoints/step-000003/a.json': strToU8('1'),
          'checkpoints/step-000003/A.json': strToU8('2'),
        }),
      'FILE_INVALID',
      'twice',
    ],
    'no data': [() => archive({ 'data.shard': undefined }), 'FILE_INVALID', 'data.shard'],
    'a configuration that is not one': [() => archive({ 'config.json': strToU8('[1]') }), 'CONFIG_INVALID', 'object'],
    'an unknown field': [() => archive({ 'config.json': strToU8('{"evil": 1}') }), 'CONFIG_UNKNOWN_FIELD', 'evil'],
    'damaged data': [() => archive({ 'data.shard': strToU8('DMSHARD\nx') }), 'FILE_INVALID', 'data.shard'],
    'another kind of file': [() => strToU8('GIF89a'), 'FILE_INVALID', 'zip'],
    'half of an archive': [() => zip.subarray(0, zip.length / 2), 'FILE_INVALID', 'zip'],
  };

  it.each(Object.keys(cases))('with %s is refused, and nothing is left of it', async (name) => {
    const [make, code, contains] = cases[name]!;
    const bytes = await make();
    const store = createMemoryStore('target');
    await expect(importRunZip(store, bytes)).rejects.toThrowWith({ code, contains });
    expect(await store.list()).toEqual([]);
    const out = join(folder, 'refused');
    await expect(unpackRun(written('hostile.zip', bytes), out)).rejects.toThrowWith({ code, contains });
    expect(existsSync(out)).toBe(false);
  });

  it('that claims other sizes than its files have is refused', async () => {
    // The directory at the end has the sizes at 20 (packed) and 24 (unpacked) of each entry.
    const bytes = Buffer.from(await archive({}));
    const entry = bytes.lastIndexOf(Buffer.from('504b0102', 'hex'));
    for (const [at, size] of [
      [24, 1],
      [20, 2 ** 31],
      [24, 2 ** 31],
    ] as const) {
      const changed = Buffer.from(bytes);
      changed.writeUInt32LE(size, entry + at);
      await expect(importRunZip(createMemoryStore('x'), changed), `${at}`).rejects.toThrowWith({
        code: 'FILE_INVALID',
      });
      await expect(unpackRun(written('sizes.zip', changed), join(folder, 'sizes')), `${at}`).rejects.toThrowWith({
        code: 'FILE_INVALID',
      });
    }
  });

  it('with flipped bytes is refused, or its run is unharmed', async () => {
    for (let at = 0; at < zip.length; at += Math.ceil(zip.length / 60)) {
      const changed = zip.slice();
      changed[at]! ^= 1 << (at % 8);
      const store = createMemoryStore('flipped');
      const error: unknown = await importRunZip(store, changed).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error === undefined) continue;
      expect(error, `byte ${at}`).toHaveProperty('code');
      expect(await store.list()).toEqual([]);
    }
  });
});
