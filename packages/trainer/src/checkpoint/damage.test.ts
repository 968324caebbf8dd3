// Damage of every kind to the checkpoints of a run: what is read, what is kept, what is set aside.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint, pruneCheckpoints, setDamagedAside } from './checkpoint-folder.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { readBest, writeBest } from './best.js';
import { checkpointPath } from './layout.js';
import { resolveCheckpoint } from './resolve.js';
import { restoreBest } from './resume.js';
import { codeOf } from '../errors.js';
import { sha256 } from '../files/hash.js';
import { flipByte } from '../testing/damage.js';
import { metricsRecord } from '../testing/metrics.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-damage-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const files = {
  'model.safetensors': [Uint8Array.of(1, 2, 3)],
  'ema.safetensors': [new Uint8Array(100).fill(7)],
  'ema-slow.safetensors': [new Uint8Array(100).fill(8)],
};

/** Writes checkpoints of these steps, with a smoothed training loss if given. */
function write(steps: readonly number[], loss?: (step: number) => number): string[] {
  const hash = sha256('x');
  return steps.map((step) =>
    writeCheckpoint(
      folder,
      {
        step,
        configSha256: hash,
        dataSha256: hash,
        engine: { name: 'tfjs-cpu', info: {} },
        log: loss === undefined ? {} : { lossTrend: [loss(step), 1, 0, 0] },
      },
      files,
    ),
  );
}

function newest(): number | undefined {
  return latestCheckpoint(folder).checkpoint?.manifest.step;
}

function codeThrown(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

/** Rewrites a manifest as text. */
function edit(checkpoint: string, change: (text: string) => string): void {
  const path = join(checkpoint, 'manifest.json');
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}

describe('a manifest', () => {
  it('is damaged by a change of any of its bytes; a changed format may be a newer one', () => {
    const [path] = write([20]);
    const manifest = join(path!, 'manifest.json');
    const bytes = readFileSync(manifest);
    const format = bytes.indexOf('"format": ') + '"format": '.length;
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 4, 32]) {
        flipByte(manifest, at, bit);
        const allowed = at === format ? ['CHECKPOINT_INVALID', 'CHECKPOINT_NEWER'] : ['CHECKPOINT_INVALID'];
        expect(allowed, `byte ${at}`).toContain(codeThrown(() => readCheckpoint(path!)));
        writeFileSync(manifest, bytes);
      }
    }
    expect(newest()).toBe(20);
  });

  it.each([
    ['step', (text: string) => text.replace('"step": 20', '"step": 21')],
    ['configSha256', (text: string) => text.replace(/"configSha256": "[0-9a-f]/, '"configSha256": "f')],
    ['log', (text: string) => text.replace('"log": {', '"log": {"sums": [1, 2, 3]')],
    ['white space', (text: string) => text.replace('\n', '')],
    ['its hash, left out', (text: string) => text.replace(/,\s*"manifestSha256": "[0-9a-f]*"/, '')],
    ['format 1, which has no hash', (text: string) => text.replace('"format": 2', '"format": 1')],
    ['nothing left', () => ''],
    ['an empty object', () => '{}'],
    ['null', () => 'null'],
    ['a list', () => '[]'],
  ])('with another %s falls back to the checkpoint before', (_, change) => {
    const [, path] = write([10, 20]);
    edit(path!, change);
    expect(codeThrown(() => readCheckpoint(path!))).toBe('CHECKPOINT_INVALID');
    const { checkpoint, skipped } = latestCheckpoint(folder);
    expect(checkpoint!.manifest.step).toBe(10);
    expect(skipped).toEqual([{ path, reason: expect.stringContaining('manifest.json') as string }]);
  });

  it('of format 1 has no hash: its step must be that of its folder, and it must name files', () => {
    const [, path] = write([10, 20]);
    const formatOne = (text: string) =>
      text.replace('"format": 2', '"format": 1').replace(/,\s*"manifestSha256": "[0-9a-f]*"/, '');
    edit(path!, formatOne);
    expect(newest()).toBe(20);
    edit(path!, (text) => text.replace('"step": 20', '"step": 21'));
    expect(newest()).toBe(10);
    edit(path!, (text) =>
      JSON.stringify({ ...(JSON.parse(text.replace('"step": 21', '"step": 20')) as object), files: {} }),
    );
    expect(newest()).toBe(10);
  });

  it('whose folder was renamed to another step is damaged', () => {
    const [, path] = write([10, 20]);
    renameSync(path!, checkpointPath(folder, 30));
    expect(newest()).toBe(10);
  });
});

const isPosix = process.platform !== 'win32';

const kinds: readonly (readonly [name: string, damage: (path: string) => void])[] = [
  ['a flipped byte in a file', (path: string) => flipByte(join(path, 'ema.safetensors'), 50)],
  ['a flipped byte in the file of another average', (path: string) => flipByte(join(path, 'ema-slow.safetensors'), 0)],
  ['a cut file', (path: string) => truncateSync(join(path, 'model.safetensors'), 1)],
  ['an empty file', (path: string) => truncateSync(join(path, 'model.safetensors'), 0)],
  ['a longer file', (path: string) => truncateSync(join(path, 'model.safetensors'), 4)],
  ['a missing file', (path: string) => rmSync(join(path, 'model.safetensors'))],
  ['no manifest', (path: string) => rmSync(join(path, 'manifest.json'))],
  [
    'a folder in the place of a file',
    (path: string) => {
      rmSync(join(path, 'ema.safetensors'));
      mkdirSync(join(path, 'ema.safetensors'));
    },
  ],
  [
    'a folder in the place of the manifest',
    (path: string) => {
      rmSync(join(path, 'manifest.json'));
      mkdirSync(join(path, 'manifest.json'));
    },
  ],
  [
    'a file in the place of the folder',
    (path: string) => {
      rmSync(path, { recursive: true });
      writeFileSync(path, 'x');
    },
  ],
  [
    'nothing in the folder',
    (path: string) => {
      rmSync(path, { recursive: true });
      mkdirSync(path);
    },
  ],
];

const links: typeof kinds = [
  [
    'a link in the place of the folder',
    (path) => {
      const elsewhere = mkdtempSync(`${path}-`);
      renameSync(path, elsewhere);
      symlinkSync(elsewhere, path);
    },
  ],
  [
    'a link in the place of a file',
    (path) => {
      renameSync(join(path, 'ema.safetensors'), join(path, 'elsewhere'));
      symlinkSync('elsewhere', join(path, 'ema.safetensors'));
    },
  ],
];

describe.each([...kinds, ...(isPosix ? links : [])])('%s', (_, damage) => {
  it('of the newest, the newest two, or all is passed over', () => {
    const [first, second, third] = write([1, 2, 3]);
    damage(third!);
    expect(newest()).toBe(2);
    damage(second!);
    expect(newest()).toBe(1);
    const { skipped } = latestCheckpoint(folder);
    expect(skipped.map(({ path }) => path)).toEqual([third, second]);
    damage(first!);
    expect(newest()).toBeUndefined();
  });

  it('does not make it count among those that are kept, once it is found', () => {
    const [, second, third] = write([1, 2, 3]);
    damage(second!);
    damage(third!);
    setDamagedAside(latestCheckpoint(folder).skipped);
    expect(existsSync(`${second}.damaged`) && existsSync(`${third}.damaged`)).toBe(true);
    // Trained past again.
    for (const step of [2, 3]) {
      write([step]);
      pruneCheckpoints(folder, { keepLast: 1 }, [step]);
      expect(newest()).toBe(step);
    }
  });
});

it('what is found damaged while pruning is set aside and counts for nothing', () => {
  const [, , third] = write([1, 2, 3]);
  rmSync(join(third!, 'model.safetensors'));
  const notes = pruneCheckpoints(folder, { keepLast: 1 });
  expect(readdirSync(folder).toSorted()).toEqual(['step-000002', 'step-000003.damaged']);
  expect(notes).toEqual([expect.stringMatching(/step-000003: .*model\.safetensors is missing/)]);
});

describe.skipIf(!isPosix)('a link named step-N.partial', () => {
  let outside: string;
  const name = 'model.safetensors';
  beforeEach(() => {
    outside = mkdtempSync(join(tmpdir(), 'dm-outside-'));
    writeFileSync(join(outside, name), 'untouched');
  });
  afterEach(() => rmSync(outside, { recursive: true }));
  /** The files outside: neither written, nor removed, nor joined by others. */
  const filesOutside = () => readdirSync(outside).map((file) => [file, readFileSync(join(outside, file), 'utf8')]);
  const untouched = [[name, 'untouched']];

  it.each([
    ['a folder', ''],
    ['a file', name],
    ['nothing', 'missing'],
  ])('to %s is replaced when that step is saved', (_, target) => {
    symlinkSync(join(outside, target), join(folder, 'step-000003.partial'));
    write([1, 2, 3]);
    expect(newest()).toBe(3);
    expect(readdirSync(folder).toSorted()).toEqual(['step-000001', 'step-000002', 'step-000003']);
    expect(filesOutside()).toEqual(untouched);
  });

  it('is removed, not followed, when that step or another is pruned', () => {
    write([1, 2, 3]);
    for (const step of [1, 9]) symlinkSync(outside, `${checkpointPath(folder, step)}.partial`);
    expect(newest()).toBe(3);
    pruneCheckpoints(folder, { keepLast: 1 });
    expect(readdirSync(folder)).toEqual(['step-000003']);
    expect(filesOutside()).toEqual(untouched);
  });
});

describe('setting aside', () => {
  const again = (step: number): string[] => {
    const [path] = write([step]);
    rmSync(join(path!, 'manifest.json'));
    return setDamagedAside([{ path: path!, reason: 'why.' }]);
  };

  it('takes a free name, and keeps what was set aside before', () => {
    expect(again(7)).toEqual([expect.stringContaining('step-000007.damaged')]);
    expect(again(7)).toEqual([expect.stringContaining('step-000007.damaged-2')]);
    mkdirSync(join(folder, 'step-000007.damaged-3'));
    again(7);
    expect(readdirSync(folder).toSorted()).toEqual(
      ['', '-2', '-3', '-4'].map((suffix) => `step-000007.damaged${suffix}`),
    );
  });

  it('is bounded: of more than eight the oldest is removed, which is said; none of those just found', () => {
    for (let step = 1; step <= 8; step++) expect(again(step)).toHaveLength(1);
    const notes = again(9);
    expect(notes[1]).toMatch(/^removed .*step-000001\.damaged/);
    expect(readdirSync(folder).toSorted()).toEqual([2, 3, 4, 5, 6, 7, 8, 9].map((step) => `step-00000${step}.damaged`));
    const many = write(Array.from({ length: 12 }, (_, i) => i + 20));
    setDamagedAside(many.map((path) => ({ path, reason: 'why.' })));
    expect(readdirSync(folder).toSorted()).toEqual(Array.from({ length: 12 }, (_, i) => `step-0000${i + 20}.damaged`));
  });
});

it('names that dm does not give are nobody of ours: not read, not pruned', () => {
  write([1, 2]);
  const others = [
    'step-3',
    'step-0000003',
    'step-000003.bak',
    'step-',
    'step-1e3',
    'step-99999999999999999999',
    'step-x',
  ];
  for (const name of others) mkdirSync(join(folder, name));
  expect(newest()).toBe(2);
  pruneCheckpoints(folder, { keepLast: 1 });
  expect(readdirSync(folder).toSorted()).toEqual(['step-000002', ...others].toSorted());
});

it('files of others in a checkpoint do no harm', () => {
  const [path] = write([1]);
  writeFileSync(join(path!, '.DS_Store'), 'x');
  expect(newest()).toBe(1);
});

describe('a checkpoint of a newer format', () => {
  it('is an error for who would pass it over, and is neither pruned, set aside nor overwritten', () => {
    const [, newer] = write([10, 20]);
    edit(newer!, (text) => text.replace('"format": 2', '"format": 3'));
    const before = readFileSync(join(newer!, 'manifest.json'));
    expect(codeThrown(newest)).toBe('CHECKPOINT_NEWER');
    expect(codeThrown(() => write([20]))).toBe('CHECKPOINT_NEWER');
    write([30]);
    expect(newest()).toBe(30);
    expect(pruneCheckpoints(folder, { keepLast: 1 })).toEqual([]);
    expect(readdirSync(folder).toSorted()).toEqual(['step-000020', 'step-000030']);
    expect(readFileSync(join(newer!, 'manifest.json')).equals(before)).toBe(true);
  });
});

describe('pruning', () => {
  it('keeps the one with the lowest training loss besides the newest, and those it is told to', () => {
    const losses: Record<number, number> = { 1: 1, 2: 0.1, 3: 5, 4: 300, 5: 302, 6: 301 };
    write([1, 2, 3, 4, 5, 6], (step) => losses[step]!);
    pruneCheckpoints(folder, { keepLast: 2 }, [3]);
    expect(readdirSync(folder).toSorted()).toEqual([2, 3, 5, 6].map((step) => `step-00000${step}`));
  });

  it('that is killed on the way leaves nothing under the name of a checkpoint', () => {
    write([1, 2]);
    // What is left if the process dies right after the rename.
    renameSync(checkpointPath(folder, 1), `${checkpointPath(folder, 1)}.partial`);
    expect(newest()).toBe(2);
    pruneCheckpoints(folder, { keepLast: 2 });
    expect(readdirSync(folder)).toEqual(['step-000002']);
  });
});

it('a checkpoint that is written where there is something sets that aside', () => {
  const [path] = write([5]);
  writeFileSync(join(path!, 'mine.txt'), 'x');
  write([5]);
  expect(readFileSync(`${path}.damaged/mine.txt`, 'utf8')).toBe('x');
  expect(newest()).toBe(5);
});

it('a reader beside a training that keeps one checkpoint always finds one', async () => {
  const staged = join(folder, 'staged');
  const count = 300;
  const mine = folder;
  folder = staged;
  write(Array.from({ length: count }, (_, i) => i + 1));
  folder = mine;
  const name = (step: number) => `step-${String(step).padStart(6, '0')}`;
  renameSync(join(staged, name(1)), join(folder, name(1)));
  // As a training does: the next one by a rename, then the one before is removed.
  const script = `
    const { renameSync, rmSync } = require('node:fs');
    const { workerData: { staged, folder, count } } = require('node:worker_threads');
    const name = (step) => 'step-' + String(step).padStart(6, '0');
    for (let step = 2; step <= count; step++) {
      renameSync(staged + '/' + name(step), folder + '/' + name(step));
      rmSync(folder + '/' + name(step - 1), { recursive: true });
    }`;
  const writer = { isOver: false };
  const worker = new Worker(script, { eval: true, workerData: { staged, folder, count } });
  const over = new Promise<void>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => {
      writer.isOver = true;
      resolve();
    });
  });
  let reads = 0;
  while (!writer.isOver) {
    expect(newest()).toBeGreaterThan(0);
    if (++reads % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await over;
  expect(newest()).toBe(count);
});

describe('the best checkpoint of a resumed run', () => {
  const value = { 1: 5, 2: 3, 3: 4 } as const;
  const log = ([1, 2, 3] as const).map((step) => metricsRecord(step, { eval: { FD: value[step] } }));
  const restored = (step = 3) => {
    const notes: string[] = [];
    return { best: restoreBest(folder, log.slice(0, step), 'FD', step, (text) => notes.push(text)), notes };
  };
  const ofStep = (step: 1 | 2 | 3) => ({ step, metric: 'FD', value: value[step] });

  it('is that of the log; a damaged or missing best.json is written again', () => {
    write([1, 2, 3]);
    for (const text of [undefined, '{"step":', JSON.stringify(ofStep(1))]) {
      if (text !== undefined) writeFileSync(join(folder, 'best.json'), text);
      expect(restored()).toEqual({ best: ofStep(2), notes: [] });
      expect(readBest(folder)).toEqual(ofStep(2));
    }
  });

  it.each([
    ['damaged', (path: string) => flipByte(join(path, 'ema.safetensors'), 4)],
    ['missing', (path: string) => rmSync(path, { recursive: true })],
  ])('is none if its checkpoint is %s; the next evaluation chooses anew', (what, damage) => {
    write([1, 2, 3]);
    writeBest(folder, ofStep(2));
    damage(checkpointPath(folder, 2));
    const { best, notes } = restored();
    expect(best).toBeUndefined();
    expect(notes[0]).toMatch(/step 2\b.*cannot be used/);
    expect(readBest(folder)).toBeUndefined();
    expect(existsSync(join(folder, 'step-000002.damaged'))).toBe(what === 'damaged');
  });

  it('is not one from after the resumed step', () => {
    write([1, 2, 3]);
    writeBest(folder, ofStep(2));
    expect(restored(1).best).toEqual(ofStep(1));
  });

  it('that is missing is named by who asks for it', () => {
    const checkpoints = join(folder, 'checkpoints');
    mkdirSync(checkpoints);
    writeBest(checkpoints, ofStep(2));
    expect(() => resolveCheckpoint({ run: folder, best: true }, [])).toThrow(/best\.json names .*step-000002/);
  });
});

it.each([
  '',
  'null',
  '[]',
  '{"step":',
  '{"step": null}',
  '{"step": 2.5, "metric": "FD", "value": 1}',
  '[['.repeat(1e5),
])('says that best.json is damaged, instead of that there is no best: %.30s', (text) => {
  const checkpoints = join(folder, 'run', 'checkpoints');
  mkdirSync(checkpoints, { recursive: true });
  writeFileSync(join(checkpoints, 'best.json'), text);
  const best = () => resolveCheckpoint({ run: join(folder, 'run'), best: true }, []);
  expect(best).toThrow(expect.objectContaining({ code: 'CHECKPOINT_INVALID' }));
  expect(best).toThrow(/best\.json/);
  expect(readBest(checkpoints)).toBeUndefined();
});
