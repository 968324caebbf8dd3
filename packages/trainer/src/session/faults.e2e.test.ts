// Disks that are full or may not be written, met by the built command. What cannot be set up here is skipped.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { imageGrid } from '@dm/data';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import { dm, dmJson, dmWithFileLimit, jsonOf, start } from '../testing/command.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function training(steps: number, out: string): string[] {
  const path = join(folder, 'tiny.json');
  writeFileSync(path, JSON.stringify({ ...tinyConfig(folder, steps), checkpoints: { every: 2, keepLast: 9 } }));
  return ['train', '--config', path, '--out', out];
}

const isRoot = process.getuid?.() === 0;

function mount(...args: string[]): boolean {
  return spawnSync('mount', args, { stdio: 'ignore' }).status === 0;
}

/** Whether this user may mount a file system of a given size: root outside of most containers. */
const canMount = (() => {
  const path = mkdtempSync(join(tmpdir(), 'dm-mount-'));
  const mounted = mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path);
  if (mounted) spawnSync('umount', [path]);
  rmSync(path, { recursive: true });
  return mounted;
})();

describe('a full disk', () => {
  it.skipIf(!canMount)(
    'keeps older checkpoints and training; the run ends with an error and goes on later',
    async () => {
      const disk = join(folder, 'disk');
      mkdirSync(disk);
      expect(mount('-t', 'tmpfs', '-o', 'size=900k', 'tmpfs', disk)).toBe(true);
      try {
        const full = await dm([...training(8, 'disk/run'), '--json'], folder);
        expect(full.stdout).toMatch(
          /step 8 .*disk\/run\/checkpoints\/step-000008.*[\d.]+ MiB.*[\d.]+ MiB.*--keep-last/,
        );
        expect(() => jsonOf(full)).toThrowWith({
          code: 'DISK_FULL',
          contains: ['disk/run/checkpoints/step-000008', ' MiB', '--keep-last 1', '--resume'],
        });
        const saved = readdirSync(join(disk, 'run/checkpoints'));
        expect(saved).toContain('step-000002');
        expect(saved.filter((name) => name.endsWith('.partial'))).toEqual([]);
        const { checkpoint, skipped } = latestCheckpoint(join(disk, 'run/checkpoints'));
        expect(checkpoint!.manifest.step).toBeGreaterThanOrEqual(2);
        expect(skipped).toEqual([]);

        expect(mount('-o', 'remount,size=20m', disk)).toBe(true);
        const resumed = await dm(['train', '--resume', '--out', 'disk/run'], folder);
        expect(resumed).toMatchObject({ code: 0, stderr: '' });
        expect(latestCheckpoint(join(disk, 'run/checkpoints')).checkpoint!.manifest.step).toBe(8);
      } finally {
        spawnSync('umount', [disk]);
      }
    },
  );

  it.skipIf(process.platform === 'win32')('or a limit on the size of files names it and the remedy', async () => {
    const limited = await dmWithFileLimit(40, [...training(4, 'run'), '--json'], folder);
    expect(limited.stdout).toMatch(/step 2 .*not be saved/);
    expect(() => jsonOf(limited)).toThrowWith({
      code: 'WRITE_FAILED',
      contains: ['run/checkpoints/step-000004', 'EFBIG', 'ulimit -f'],
    });
    expect(readdirSync(join(folder, 'run/checkpoints'))).toEqual([]);
  });
});

// Root may write everywhere: there the command is run as nobody.
const nobody: { uid?: number; gid?: number } = isRoot ? { uid: 65534, gid: 65534 } : {};

it.skipIf(process.platform === 'win32')(
  'a folder that may not be written is named before anything is trained',
  async () => {
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(folder, 0o755);
    chmodSync(locked, 0o555);
    const refused = dmJson(training(2, 'locked/run'), folder, nobody);
    await expect(refused).rejects.toThrowWith({
      code: 'WRITE_FAILED',
      contains: ['locked/run', 'EACCES', '--out'],
    });
    expect(existsSync(join(locked, 'run'))).toBe(false);
  },
);

it.skipIf(process.platform === 'win32')('so is a run whose folder may not be written any more', async () => {
  expect(await dm(training(2, 'run'), folder)).toMatchObject({ code: 0 });
  for (const path of ['', 'run', 'run/samples', 'run/checkpoints']) chmodSync(join(folder, path), 0o555);
  const refused = await dm(['train', '--resume', '--out', 'run', '--json'], folder, nobody);
  for (const path of ['', 'run', 'run/samples', 'run/checkpoints']) chmodSync(join(folder, path), 0o755);
  expect(() => jsonOf(refused)).toThrowWith({
    code: 'WRITE_FAILED',
    contains: ['run/run.lock', 'EACCES', '--out'],
  });
});

it.skipIf(process.platform === 'win32')(
  'a folder that turns read-only while training goes on is named at each save, and fails the run at its end',
  async () => {
    const mine = join(folder, 'mine');
    mkdirSync(mine);
    chmodSync(folder, 0o755);
    if (isRoot) chownSync(mine, nobody.uid!, nobody.gid!);
    const run = start([...training(12, 'mine/run'), '--json'], folder, nobody);
    await run.said('"event":"checkpoint"');
    chmodSync(join(mine, 'run/checkpoints'), 0o555);
    const finished = await run.finished;
    chmodSync(join(mine, 'run/checkpoints'), 0o755);
    expect(finished.stdout).toMatch(/step \d+ .*be saved.*mine\/run\/checkpoints\/step-\d+.*EACCES.*--out/);
    expect(() => jsonOf(finished)).toThrowWith({
      code: 'WRITE_FAILED',
      contains: ['mine/run/checkpoints/step-000012', 'EACCES', '--resume'],
    });
    const { checkpoint, skipped } = latestCheckpoint(join(mine, 'run/checkpoints'));
    expect(checkpoint!.manifest.step).toBeGreaterThanOrEqual(2);
    expect(skipped.filter(({ path }) => !path.endsWith('.partial'))).toEqual([]);
  },
);

it('a thread that dies while it writes costs that checkpoint alone: another writes the next one', async () => {
  // Loaded into each thread: the first that syncs a file while there is a file `die` ends, with half a checkpoint written.
  writeFileSync(
    join(folder, 'dying.mjs'),
    `import fs from 'node:fs';
     import { syncBuiltinESMExports } from 'node:module';
     import { isMainThread } from 'node:worker_threads';
     const sync = fs.fsyncSync;
     if (!isMainThread) fs.fsyncSync = (fd) => {
       if (!fs.existsSync('die')) return sync(fd);
       fs.rmSync('die');
       process.exit(1);
     };
     syncBuiltinESMExports();`,
  );
  writeFileSync(join(folder, 'die'), '');
  const { code, stdout, stderr } = await dm(training(6, 'run'), folder, {
    env: { ...process.env, NODE_OPTIONS: `--import ${pathToFileURL(join(folder, 'dying.mjs')).href}` },
  });
  expect(stdout).toMatch(/step 2 .*be saved.*thread/);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(readdirSync(join(folder, 'run/checkpoints')).toSorted()).toEqual(['step-000004', 'step-000006']);
});

it('a corrupt image among good ones stops with its name and the remedy, or is left out, counted and named', async () => {
  mkdirSync(join(folder, 'pictures'));
  const gray = (shade: number) => imageGrid(new Float32Array(64).fill(shade), { shape: [8, 8, 1] });
  for (const n of [0, 1, 2, 3]) writeFileSync(join(folder, 'pictures', `${n}.png`), await gray(n / 4));
  writeFileSync(join(folder, 'pictures', '2.png'), 'no picture');
  const args = [...training(2, 'run'), '--data', 'folder:pictures', '--image-size', '8'];
  await expect(dmJson(args, folder)).rejects.toThrowWith({
    code: 'DATA_CORRUPT',
    contains: ['pictures/2.png', 'cannot be decoded', '--skip-bad'],
  });
  const { code, stdout, stderr } = await dm([...args, '--skip-bad'], folder);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/3 images .*8x8x3 .*folder:pictures/);
  expect(stdout).toMatch(/1 of 4\b.*\npictures\/2\.png: cannot/);
});
