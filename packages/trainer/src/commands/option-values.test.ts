// Values of options that are refused before any work.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pathOf } from './help.js';
import { createProgram } from './program.js';

const every = (command: Command): Command[] => [command, ...command.commands.flatMap(every)];

/** Options whose value may be a word, or that the schema of configurations checks. */
const worded = ['--clip', '--crop', '--device', '--limit'];

const parsed = every(createProgram()).flatMap((command) => {
  const isConfigured = command.options.some(({ long }) => long === '--config');
  return command.options
    .filter(({ parseArg, long }) => parseArg !== undefined && !worded.includes(long!) && !isConfigured)
    .map(({ long }) => [pathOf(command), long!] as const);
});

describe('numbers', () => {
  it('are parsed in at least 60 options', () => {
    expect(parsed.length).toBeGreaterThanOrEqual(60);
  });

  it.each(parsed)('dm %s %s is refused, with its name, if it is none', async (path, option) => {
    for (const text of ['abc', ',3']) {
      const parsing = createProgram().parseAsync([...path.split(' '), option, text], { from: 'user' });
      // oxlint-disable-next-line no-await-in-loop -- one program at a time
      await expect(parsing).rejects.toThrowWith({ code: 'commander.invalidArgument', contains: [option, `'${text}'`] });
    }
  });

  it.each([
    ['sample', '--count', '1.5'],
    ['sample', '--seed', '1e300'],
    ['sample', '--guidance', 'Infinity'],
    ['sample', '--guidance', 'NaN'],
    ['sample', '--guidance', ''],
    ['sample', '--guidance-interval', '3,0.2'],
    ['sample', '--guidance-interval', '1,2,3'],
    ['bench', '--steps', '2.5'],
  ])('dm %s %s %s is refused', async (path, option, text) => {
    const parsing = createProgram().parseAsync([path, option, text], { from: 'user' });
    await expect(parsing).rejects.toThrowWith({ code: 'commander.invalidArgument', contains: [option, text] });
  });

  it.each(['maxPixels=1=2', 'maxPixels=', 'maxPixels', 'maxPixels=1.5'])('--limit %s is refused', async (text) => {
    const parsing = createProgram().parseAsync(['data', 'inspect', 'mnist', '--limit', text], { from: 'user' });
    await expect(parsing).rejects.toThrowWith({ code: 'OPTION_INVALID', contains: ['--limit', text] });
  });
});

describe('files to write', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dm-output-'));
    mkdirSync(join(folder, 'a.png'));
    writeFileSync(join(folder, 'file'), '');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const outputs: readonly (readonly [args: readonly string[], option: string, extension: string])[] = [
    [['data', 'inspect', 'none.npz'], '--sheet', '.png'],
    [['eval', 'loss', 'none', 'none.npz'], '--sheet', '.png'],
    [['eval', 'consistency', 'none', 'none'], '--grid', '.png'],
    [['eval', 'difficulty', 'none'], '--svg', '.svg'],
    [['eval', 'statistics', 'none'], '--out', '.npz'],
    [['curriculum', 'plot'], '--out', '.svg'],
    [['eval', 'train-extractor', 'none.npz'], '--out', ''],
  ];

  it.each(outputs)('dm %j %s must be in a folder that exists', async (args, option, extension) => {
    const path = join(folder, 'missing', `a${extension}`);
    const running = createProgram().parseAsync([...args, option, path], { from: 'user' });
    await expect(running).rejects.toThrowWith({ code: 'FILE_NOT_FOUND', contains: [path, option] });
  });

  it.each(outputs.filter(([, , extension]) => extension !== ''))(
    'dm %j %s must have its extension',
    async (args, option, extension) => {
      const path = join(folder, 'a.jpg');
      const running = createProgram().parseAsync([...args, option, path], { from: 'user' });
      await expect(running).rejects.toThrowWith({ code: 'OPTION_INVALID', contains: [option, extension, path] });
    },
  );

  it('are no folders', async () => {
    const path = join(folder, 'a.png');
    const running = createProgram().parseAsync(['data', 'inspect', 'x.npz', '--sheet', path], { from: 'user' });
    await expect(running).rejects.toThrowWith({ code: 'FILE_EXISTS', contains: ['--sheet', path] });
  });

  it('dm eval landscape --out is created before the work', async () => {
    const path = join(folder, 'file', 'plots');
    const running = createProgram().parseAsync(['eval', 'landscape', 'none', '--out', path], { from: 'user' });
    await expect(running).rejects.toThrowWith({ code: 'WRITE_FAILED', contains: path });
  });

  it('dm report --csv takes no --out', async () => {
    const running = createProgram().parseAsync(['report', 'none', '--csv', '--out', 'a.csv'], { from: 'user' });
    await expect(running).rejects.toThrowWith({ code: 'OPTION_INVALID', contains: ['--csv', '--out'] });
  });
});
