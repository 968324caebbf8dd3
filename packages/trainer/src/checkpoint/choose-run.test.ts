import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { acquireLock } from '../run/lock.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { UserError } from '../errors.js';
import { chooseRun } from './choose-run.js';
import { resolveCheckpoint } from './resolve.js';

let folder: string;
let runs: string;
beforeEach(async () => {
  folder = await tinyFolder();
  runs = join(folder, 'runs');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A run that was last used `at` seconds after the epoch, stopped after `steps` of 2 steps. */
async function run(name: string, steps: 1 | 2, at: number): Promise<void> {
  const trained = join(folder, `steps-${steps}`);
  if (!existsSync(trained)) {
    const model = { type: 'dit' as const, ...tinyDit };
    await train({
      ...tinyConfig(folder, 2),
      model,
      out: trained,
      budgets: { steps },
      samples: 1,
      sampler: { steps: 1 },
    });
  }
  const out = join(runs, name);
  cpSync(trained, out, { recursive: true });
  for (const file of ['', ...readdirSync(out)]) utimesSync(join(out, file), at, at);
}

it('names the runs in a folder that is given as a run', async () => {
  await run('first', 1, 1000);
  await run('second', 2, 2000);
  expect(() => resolveCheckpoint({ run: runs }, [])).toThrowWith({
    type: UserError,
    code: 'CHECKPOINT_NOT_FOUND',
    contains: [join(runs, 'first'), '1 more'],
  });
  expect(() => resolveCheckpoint({ run: join(runs, 'none') }, [])).toThrowWith({
    type: UserError,
    code: 'CHECKPOINT_NOT_FOUND',
    contains: 'dm',
  });
});

it('chooses the most recently used run that is unfinished, or finished, and says which', async () => {
  await run('old', 1, 1000);
  await run('middle', 1, 2000);
  await run('finished', 2, 3000);
  await run('best', 2, 2500);
  const notes: string[] = [];
  const choose = (purpose: 'resume' | 'extend') => chooseRun(runs, purpose, (text) => notes.push(text)).path;
  expect(choose('resume')).toBe(join(runs, 'middle'));
  expect(choose('extend')).toBe(join(runs, 'finished'));
  expect(notes).toEqual([
    expect.stringMatching(/runs\/middle .*step 1 of 2/),
    expect.stringMatching(/runs\/finished .*step 2 of 2/),
  ]);

  // Not one that another process trains, not what is no run, and a damaged one does not keep the others from being found.
  const lock = acquireLock(join(runs, 'middle'));
  mkdirSync(join(runs, 'empty'));
  mkdirSync(join(runs, 'damaged'));
  writeFileSync(join(runs, 'damaged', 'config.json'), '{');
  writeFileSync(join(runs, 'file'), '');
  expect(choose('resume')).toBe(join(runs, 'old'));
  expect(notes.filter((text) => text.includes('damaged'))).toHaveLength(1);
  rmSync(join(runs, 'old'), { recursive: true });
  expect(() => choose('resume')).toThrowWith({ code: 'RUN_NOT_FOUND', contains: ['middle', 'in use'] });
  lock.release();
});

it('without a suitable run, says what there is, and the command for it', async () => {
  const choose = (purpose: 'resume' | 'extend') => () => chooseRun(runs, purpose, () => {});
  expect(choose('resume')).toThrowWith({ code: 'RUN_NOT_FOUND', contains: [runs, '--out'] });
  await run('a', 2, 1000);
  expect(choose('resume')).toThrowWith({
    code: 'RUN_NOT_FOUND',
    contains: ['2 steps', `train --extend <steps> --out ${join(runs, 'a')}`],
  });
  rmSync(runs, { recursive: true });
  await run('b', 1, 1000);
  expect(choose('extend')).toThrowWith({
    code: 'RUN_NOT_FOUND',
    contains: ['1 of 2 steps', `train --resume --out ${join(runs, 'b')}`],
  });
});

it('names the command for a pipeline of diffusers that is given as a run, or a folder of it', () => {
  const pipeline = join(folder, 'exported');
  mkdirSync(join(pipeline, 'unet'), { recursive: true });
  writeFileSync(join(pipeline, 'model_index.json'), '{}');
  writeFileSync(join(pipeline, 'unet', 'config.json'), '{}');
  for (const given of [pipeline, join(pipeline, 'unet')]) {
    expect(() => resolveCheckpoint({ run: given }, [])).toThrowWith({
      code: 'CHECKPOINT_NOT_FOUND',
      contains: [given, `import ${pipeline}`],
    });
  }
});

it('does not take folders without checkpoints for runs', () => {
  mkdirSync(join(runs, 'planned'), { recursive: true });
  writeFileSync(join(runs, 'planned', 'config.json'), '{}');
  expect(() => resolveCheckpoint({ run: runs }, [])).toThrowWith({
    code: 'CHECKPOINT_NOT_FOUND',
    contains: ['Train one'],
  });
});
