// The built command does its main job: `npm test` runs this file, `npm run test:long` the other end-to-end tests.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseNpy, writeNpy } from '@dm/data';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dm, dmJson } from './testing/command.js';
import { tinyArguments, tinyFolder } from './testing/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tinyTraining = (steps: number, out: string, ...more: string[]) => tinyArguments(folder, steps, out, ...more);

describe('dm train, then dm sample', () => {
  it('says where things are and what to run next, and that command works', async () => {
    const trained = await dm(tinyTraining(4, 'run'), folder);
    expect(trained).toMatchObject({ code: 0, stderr: '' });
    expect(trained.stdout).toMatch(/step 3\/4\s+75%.*\b[\d.]+ images\/s.*ETA/);
    expect(trained.stdout).toMatch(/samples: +run\/samples\/step-000004\.png\n/);
    expect(trained.stdout).toMatch(/report: +run\/report\.html\n/);
    expect(trained.stdout).toMatch(/checkpoint: +run\/checkpoints\/step-000004\n/);
    const next = /next: +.* (sample .*)\n/.exec(trained.stdout)![1]!;
    expect(next.split(' ')).toEqual(['sample', '--run', 'run', '--out', 'samples.png']);

    const sampled = await dm([...next.split(' '), '--count', '4'], folder);
    expect(sampled).toMatchObject({ code: 0, stderr: '' });
    // Same noise, same weights, same sampler: the grid that training left.
    expect(sampled.stdout).toContain('4 images from run/checkpoints/step-000004');
    expect(
      readFileSync(join(folder, 'samples.png')).equals(readFileSync(join(folder, 'run/samples/step-000004.png'))),
    ).toBe(true);
  });

  it('takes noise from a file and writes numbers', async () => {
    await dm(tinyTraining(1, 'run'), folder);
    const noise = Float32Array.from({ length: 2 * 64 }, (_, i) => Math.sin(i));
    await writeNpy(join(folder, 'noise.npy'), { shape: [2, 8, 8, 1], data: noise });
    const sampled = await dm(
      ['sample', '--run', 'run', '--noise', 'noise.npy', '--out', 'x.npy', '--steps', '3'],
      folder,
    );
    expect(sampled).toMatchObject({ code: 0, stderr: '' });
    expect(parseNpy(readFileSync(join(folder, 'x.npy')), 'x.npy').shape).toEqual([2, 8, 8, 1]);
    await writeNpy(join(folder, 'noise.npy'), { shape: [2, 1, 8, 8], data: noise });
    await expect(dmJson(['sample', '--run', 'run', '--noise', 'noise.npy'], folder)).rejects.toThrowWith({
      code: 'FILE_INVALID',
      contains: ['noise.npy', '[2, 1, 8, 8]', '[N, 8, 8, 1]'],
    });
  });

  it('speaks JSON, a line an event', async () => {
    const { code, stdout } = await dm(tinyTraining(3, 'run', '--json'), folder);
    expect(code).toBe(0);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string });
    const names = events.map((e) => e.event);
    // A checkpoint is written beside the steps: that of step 2 may be done before or after step 3.
    expect(names.filter((name) => name !== 'checkpoint' && name !== 'phase')).toEqual([
      'start',
      'step',
      'sample',
      'end',
    ]);
    expect(names.filter((name) => name === 'checkpoint')).toHaveLength(2);
    expect(events.at(-1)).toMatchObject({ status: 'finished', step: 3, out: 'run' });
  });

  it('takes the next free folder when none is named, and resumes the newest unfinished run', async () => {
    const args = tinyTraining(2, 'x').filter((arg) => arg !== '--out' && arg !== 'x');
    const config = JSON.parse(readFileSync(join(folder, 'tiny.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(join(folder, 'tiny.json'), JSON.stringify({ ...config, out: undefined }));
    await dm([...args, '--step-budget', '1'], folder);
    const second = await dm([...args, '--json', '--step-budget', '1'], folder);
    expect(second.stdout).toContain('"out":"runs/mnist-2"');
    const resumed = await dm(['train', '--resume', '--json'], folder);
    expect(resumed.stdout).toContain('"out":"runs/mnist-2"');
    expect(resumed.code).toBe(0);
  });
});
