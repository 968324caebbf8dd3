import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { insideFolder, listFolder, makeFolder, removeTree } from './folder.js';
import { removeLeftovers, temporaryPath } from './temporary.js';
import {
  atomicWriteFile,
  atomicWriteFileAsync,
  atomicWriteFolder,
  createFile,
  fsyncFile,
  openForAppend,
} from './write.js';

let folder: string;
let outside: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'files-write-'));
  outside = mkdtempSync(join(tmpdir(), 'files-outside-'));
  writeFileSync(join(outside, 'secret'), 'untouched');
});
afterEach(() => {
  for (const path of [folder, outside]) rmSync(path, { recursive: true, force: true });
});

const secret = () => readFileSync(join(outside, 'secret'), 'utf8');
const withCode = (code: string) => expect.objectContaining({ name: 'FileError', code }) as Error;

describe('atomicWriteFile', () => {
  it('replaces a file and leaves nothing else', () => {
    const path = join(folder, 'a.txt');
    atomicWriteFile(path, 'one');
    atomicWriteFile(path, [Buffer.from('tw'), Buffer.from('o')]);
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(folder)).toEqual(['a.txt']);
    expect(() => atomicWriteFile(path, 'three', { overwrite: false })).toThrow(withCode('FILE_EXISTS'));
  });

  it('replaces a link and never writes through it', () => {
    const path = join(folder, 'link');
    symlinkSync(join(outside, 'secret'), path);
    atomicWriteFile(path, 'mine');
    expect(lstatSync(path).isFile()).toBe(true);
    expect(secret()).toBe('untouched');
  });

  it('keeps the old file if the chunks fail', () => {
    const path = join(folder, 'a.txt');
    atomicWriteFile(path, 'old');
    const failing = function* () {
      yield Buffer.from('new');
      throw new RangeError('no more');
    };
    expect(() => atomicWriteFile(path, failing())).toThrow('no more');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.txt']);
  });

  it('refuses a folder, a FIFO and a device, and names path and reason', () => {
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    for (const path of [folder, join(folder, 'fifo')]) {
      expect(() => atomicWriteFile(path, 'x')).toThrow(withCode('FILE_KIND'));
    }
    expect(() => atomicWriteFile('/dev/null', 'x')).toThrow(/^\/dev\/null|^\/dev /);
    expect(() => atomicWriteFile(join(folder, 'none', 'a'), 'x')).toThrow(/none/);
  });

  it('accepts a name of 255 bytes', () => {
    const name = `${'é'.repeat(127)}x`;
    atomicWriteFile(join(folder, name), 'x');
    expect(readdirSync(folder)).toEqual([name]);
  });
});

describe('atomicWriteFolder', () => {
  it('replaces a folder as a whole', async () => {
    const path = join(folder, 'out');
    await atomicWriteFolder(path, (at) => createFile(join(at, 'one'), '1'));
    await atomicWriteFolder(path, (at) => createFile(join(at, 'two'), '2'));
    expect(readdirSync(path)).toEqual(['two']);
    await expect(atomicWriteFolder(path, () => undefined, { overwrite: false })).rejects.toMatchObject({
      code: 'FILE_EXISTS',
    });
    await expect(
      atomicWriteFolder(path, () => {
        throw new RangeError('no');
      }),
    ).rejects.toThrow('no');
    expect(readdirSync(folder)).toEqual(['out']);
    expect(readdirSync(path)).toEqual(['two']);
  });
});

describe('overwrite: false', () => {
  it('keeps what another writer has written in the meantime', async () => {
    const path = join(folder, 'a.txt');
    const write = (text: string) => atomicWriteFileAsync(path, (file) => file.writeFile(text), { overwrite: false });
    const both = await Promise.allSettled([write('first'), write('second')]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'FILE_EXISTS' } });
    expect(readFileSync(path, 'utf8')).toBe(both[0].status === 'fulfilled' ? 'first' : 'second');
    const chunks = function* () {
      yield Buffer.from('late');
      writeFileSync(join(folder, 'b.txt'), 'early');
    };
    expect(() => atomicWriteFile(join(folder, 'b.txt'), chunks(), { overwrite: false })).toThrow(
      withCode('FILE_EXISTS'),
    );
    expect(readFileSync(join(folder, 'b.txt'), 'utf8')).toBe('early');
    expect(readdirSync(folder).toSorted()).toEqual(['a.txt', 'b.txt']);
    expect(lstatSync(path).nlink).toBe(1);
  });
});

describe('overwrite: false without hard links', () => {
  it('renames, and refuses what is there by then', async () => {
    vi.resetModules();
    vi.doMock('node:fs', async (original) => ({
      ...(await original<object>()),
      linkSync: () => {
        throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
      },
    }));
    const here = await import('./write.js');
    vi.doUnmock('node:fs');
    const path = join(folder, 'a.txt');
    here.atomicWriteFile(path, 'one', { overwrite: false });
    expect(readFileSync(path, 'utf8')).toBe('one');
    const late = join(folder, 'b.txt');
    const chunks = function* () {
      yield Buffer.from('late');
      writeFileSync(late, 'early');
    };
    expect(() => here.atomicWriteFile(late, chunks(), { overwrite: false })).toThrow(withCode('FILE_EXISTS'));
    expect(readFileSync(late, 'utf8')).toBe('early');
    expect(readdirSync(folder).toSorted()).toEqual(['a.txt', 'b.txt']);
  });
});

describe('openForAppend', () => {
  const append = (path: string, text: string): void => {
    const fd = openForAppend(path);
    writeFileSync(fd, text);
    closeSync(fd);
  };

  it('refuses links of both kinds', () => {
    const path = join(folder, 'log');
    append(path, 'a');
    append(path, 'b');
    fsyncFile(path);
    expect(readFileSync(path, 'utf8')).toBe('ab');
    linkSync(join(outside, 'secret'), join(folder, 'hard'));
    symlinkSync(join(outside, 'secret'), join(folder, 'soft'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    for (const name of ['hard', 'soft', 'fifo']) {
      expect(() => append(join(folder, name), 'x')).toThrow(withCode('FILE_KIND'));
    }
    expect(secret()).toBe('untouched');
  });
});

describe('makeFolder', () => {
  it('makes what is missing and accepts what is there, also over a link', () => {
    symlinkSync(outside, join(folder, 'link'));
    makeFolder(join(folder, 'link', 'a', 'b'));
    makeFolder(join(folder, 'link', 'a', 'b'));
    expect(existsSync(join(outside, 'a', 'b'))).toBe(true);
  });

  it.skipIf(process.platform !== 'linux').each(['/proc/x', '/proc/self/x/y', '/sys/x', '/dev/x', '/dev/null/x'])(
    'refuses %s at once',
    (path) => {
      expect(() => makeFolder(path)).toThrow(expect.objectContaining({ name: 'FileError' }));
    },
  );

  it('refuses a file or a dangling link on the way', () => {
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('nowhere', join(folder, 'dangling'));
    expect(() => makeFolder(join(folder, 'file', 'x'))).toThrow(withCode('FILE_KIND'));
    expect(() => makeFolder(join(folder, 'dangling', 'x'))).toThrow(withCode('FILE_KIND'));
  });
});

describe('insideFolder', () => {
  it('refuses what leads out of the folder', () => {
    mkdirSync(join(folder, 'in'));
    symlinkSync(outside, join(folder, 'in', 'link'));
    symlinkSync(folder, join(outside, 'root'));
    expect(insideFolder(folder, 'in/new/file')).toBe(join(folder, 'in', 'new', 'file'));
    expect(insideFolder(join(outside, 'root'), 'in')).toBe(join(outside, 'root', 'in'));
    expect(() => insideFolder(folder, 'in/link/secret')).toThrow(withCode('FILE_KIND'));
    expect(() => insideFolder(folder, '../x')).toThrow(withCode('FILE_OUTSIDE'));
    expect(() => insideFolder(folder, '/etc')).toThrow(withCode('FILE_OUTSIDE'));
  });
});

it('removeTree removes links and leaves what they point to', () => {
  mkdirSync(join(folder, 'in'));
  symlinkSync(outside, join(folder, 'in', 'link'));
  removeTree(join(folder, 'in'));
  symlinkSync(outside, join(folder, 'link'));
  removeTree(join(folder, 'link'));
  expect(listFolder(folder)).toEqual([]);
  expect(secret()).toBe('untouched');
});

describe('leftovers', () => {
  /** A temporary name of a process that is gone. */
  function ofDeadProcess(name: string, ending?: 'replaced'): string {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    return basename(temporaryPath(join(folder, name), ending)).replace(`-${process.pid}-`, `-${pid}-`);
  }

  it('give a folder its name back that was moved aside but not replaced', () => {
    for (const name of ['lost', 'kept']) {
      const aside = join(folder, ofDeadProcess(name, 'replaced'));
      mkdirSync(aside);
      writeFileSync(join(aside, 'version'), 'old');
    }
    mkdirSync(join(folder, 'kept'));
    writeFileSync(join(folder, 'kept', 'version'), 'new');
    removeLeftovers(folder);
    expect(readdirSync(folder).toSorted()).toEqual(['kept', 'lost']);
    expect(readFileSync(join(folder, 'lost', 'version'), 'utf8')).toBe('old');
    expect(readFileSync(join(folder, 'kept', 'version'), 'utf8')).toBe('new');
  });

  it('keep a folder whose name is too long to be known, under its temporary name', () => {
    const aside = join(folder, ofDeadProcess('n'.repeat(230), 'replaced'));
    mkdirSync(aside);
    expect(removeLeftovers(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual([basename(aside)]);
  });

  it('of another host are kept for a day after they were moved aside, however old they are', () => {
    const aside = join(folder, ofDeadProcess('old', 'replaced')).replace(/[0-9a-f]{8}(?=-\d+-)/, '00000000');
    mkdirSync(join(folder, 'old'));
    utimesSync(join(folder, 'old'), 1, 1);
    renameSync(join(folder, 'old'), aside);
    removeLeftovers(folder);
    expect(readdirSync(folder)).toEqual([basename(aside)]);
  });

  it.skipIf(process.platform !== 'linux')(
    'of another PID namespace are kept, since its processes are unknown here',
    async () => {
      vi.resetModules();
      vi.doMock('node:fs', async (original) => ({
        ...(await original<object>()),
        readlinkSync: () => 'pid:[1]',
      }));
      const elsewhere = await import('./temporary.js');
      vi.doUnmock('node:fs');
      const { pid } = spawnSync(process.execPath, ['-e', '']);
      const path = elsewhere.temporaryPath(join(folder, 'a')).replace(`-${process.pid}-`, `-${pid}-`);
      writeFileSync(path, 'x');
      expect(removeLeftovers(folder)).toEqual([]);
      expect(elsewhere.removeLeftovers(folder)).toEqual([path]);
    },
  );

  it('are removed if they are ours and nobody writes them', () => {
    const file = ofDeadProcess('a.png');
    const tree = ofDeadProcess('run');
    const link = ofDeadProcess('link');
    const living = basename(temporaryPath(join(folder, 'b.png')));
    const reused = basename(temporaryPath(join(folder, 'c.png')));
    const others = ['report.html.partial', '.notes.partial', `x${file}`];
    for (const name of [file, living, reused, ...others]) writeFileSync(join(folder, name), 'x');
    utimesSync(join(folder, reused), 1, 1);
    mkdirSync(join(folder, tree));
    writeFileSync(join(folder, tree, 'part'), 'x');
    symlinkSync(outside, join(folder, link));
    expect(
      removeLeftovers(folder)
        .map((path) => basename(path))
        .toSorted(),
    ).toEqual([file, reused, tree].toSorted());
    expect(readdirSync(folder).toSorted()).toEqual([living, link, ...others].toSorted());
    expect(secret()).toBe('untouched');
  });

  it('are removed by the next write in that folder', () => {
    writeFileSync(join(folder, ofDeadProcess('a.png')), 'x');
    atomicWriteFile(join(folder, 'b.png'), 'x');
    expect(readdirSync(folder)).toEqual(['b.png']);
  });
});
