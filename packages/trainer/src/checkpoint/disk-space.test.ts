import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { tensorBytes } from '../setup/state-table.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { resolveConfig } from '../config/resolve.js';
import { checkDiskSpace } from './disk-space.js';
import { checkpointPolicy, maxCheckpoints } from './policy.js';
import { formatMebibytes } from '../files/disk.js';
import { runFolder } from '../run/run-folder.js';
import { initialState } from './state.js';
import { packState } from './pack-state.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { UserError } from '../errors.js';

let folder: string;
let setup: TrainingSetup;
beforeAll(async () => {
  folder = await tinyFolder();
  setup = await openTrainingSetup(configOf({ checkpoints: { every: 2, keepLast: 3 } }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function configOf(part: PartialConfig) {
  const value = { ...tinyConfig(folder, 20), model: { type: 'dit' as const, ...tinyDit }, ...part };
  return resolveConfig([{ source: 'test', value }]);
}

it.each([null, { lr: 0.01 }])(
  'counts the bytes that a checkpoint has, but for headers (uncertainty %j)',
  async (part) => {
    const one = await openTrainingSetup(configOf({ uncertainty: part }));
    const files = Object.values(packState(one, initialState(one), undefined));
    // The first part of a file is its header.
    const bytes = files
      .flatMap((parts) => parts.slice(1))
      .reduce((sum, part) => sum + (part instanceof Uint8Array ? part : part.array.data).byteLength, 0);
    expect(tensorBytes(one)).toBe(bytes);
  },
);

describe('checkpoints beside each other', () => {
  it.each([
    // keep 3, the one with the lowest loss, and the one that is written; 10 are due.
    [{ checkpoints: { every: 2, keepLast: 3 } }, 0, 0, 5],
    // Resumed: the one that the session begins from besides.
    [{ checkpoints: { every: 2, keepLast: 3 } }, 2, 1, 6],
    // At the end only, or one in the middle besides.
    [{ checkpoints: { every: 0, keepLast: 3 } }, 0, 0, 1],
    [{ checkpoints: { every: 15, keepLast: 3 } }, 0, 0, 2],
    [{ checkpoints: { every: 15, keepLast: 3 } }, 15, 1, 2],
    // The best, and saves whose number nobody knows.
    [{ checkpoints: { every: 0, keepLast: 3 }, evaluation: { every: 5 } }, 0, 0, 6],
    [{ checkpoints: { every: 0, keepLast: 3, minutes: 1 } }, 0, 0, 5],
  ])('%j from step %i with %i there: %i', (part, step, present, expected) => {
    expect(maxCheckpoints(checkpointPolicy(configOf(part)), step, present)).toBe(expected);
  });
});

describe('a disk', () => {
  const bytes = () => tensorBytes(setup);

  it('with room for all is passed over in silence; with less it is said what will not fit', () => {
    const run = runFolder(mkdtempSync(join(tmpdir(), 'dm-room-')));
    expect(checkDiskSpace(run, setup, checkpointPolicy(setup.config), 0, { free: 5 * bytes() })).toBeUndefined();
    expect(checkDiskSpace(run, setup, checkpointPolicy(setup.config), 0, { free: 5 * bytes() - 1 })).toMatch(
      /checkpoints.*[\d.]+ MiB.*\b5\b.*keepLast is 3.*--keep-last 1/,
    );
    // Those that are there already need none.
    for (const step of [2, 4]) mkdirSync(join(run.checkpoints, `step-00000${step}`), { recursive: true });
    expect(checkDiskSpace(run, setup, checkpointPolicy(setup.config), 4, { free: 4 * bytes() })).toBeUndefined();
    rmSync(run.path, { recursive: true });
  });

  it('without room for one is refused', () => {
    expect(() =>
      checkDiskSpace(runFolder(folder), setup, checkpointPolicy(setup.config), 0, { free: bytes() - 1 }),
    ).toThrowWith({
      type: UserError,
      code: 'DISK_FULL',
      contains: [formatMebibytes(bytes()), formatMebibytes(bytes() - 1), runFolder(folder).checkpoints, '--out'],
    });
    // There is nothing to save any more.
    expect(checkDiskSpace(runFolder(folder), setup, checkpointPolicy(setup.config), 20, { free: 0 })).toBeUndefined();
  });
});
