// Options that contradict each other or are given twice, and the commands that hints suggest.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { dm, dmJson } from '../testing/command.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Arguments of a training of `steps` steps; the file names a folder, `runs/own`. */
function training(steps: number, ...more: string[]): string[] {
  const model = { type: 'dit', ...tinyDit };
  const config = { ...tinyConfig(folder, steps), model, samples: 1, sampler: { steps: 1 }, out: 'runs/own' };
  writeFileSync(join(folder, 'tiny.json'), JSON.stringify(config));
  return ['train', '--config', 'tiny.json', ...more];
}

it.each([
  [['--resume', '--preset', 'mnist'], 'commander.conflictingOption', ['--resume', '--preset']],
  [['--resume', '--overwrite'], 'commander.conflictingOption', ['--resume', '--overwrite']],
  [['--resume', '--init-from', 'x'], 'commander.conflictingOption', ['--resume', '--init-from']],
  [['--resume', '--dry-run'], 'commander.conflictingOption', ['--resume', '--dry-run']],
  [['--resume', '--extend', '5'], 'commander.conflictingOption', ['--resume', '--extend']],
  [['--extend', '5', '--steps', '9'], 'commander.conflictingOption', ['--extend', '--steps']],
  [['--extend', '5', '--overwrite'], 'commander.conflictingOption', ['--extend', '--overwrite']],
  [['--extend', 'many'], 'commander.invalidArgument', ['--extend', 'many']],
  [['--config', 'a.json', '--config', 'b.json'], 'OPTION_INVALID', ['--config', 'twice']],
  [['--out', 'a', '--out', 'b'], 'OPTION_INVALID', ['--out', 'twice']],
  [['--seed', '1', '--seed=2'], 'OPTION_INVALID', ['--seed', 'twice']],
])('dm train %j is refused', async (args, code, contains) => {
  await expect(dmJson(['train', ...args], folder)).rejects.toThrowWith({ code, contains });
  expect(existsSync(join(folder, 'runs'))).toBe(false);
});

it('other commands refuse repeated options too; those that take several values do not', async () => {
  const twice = ['data', 'inspect', 'data.npz', '--sheet', 'a.png', '--sheet', 'b.png'];
  await expect(dmJson(twice, folder)).rejects.toThrowWith({ code: 'OPTION_INVALID', contains: ['--sheet', 'twice'] });
  const several = ['data', 'inspect', 'data.npz', '--limit', 'maxImages=99', '--limit', 'maxDepth=9'];
  expect(await dm(several, folder)).toMatchObject({ code: 0 });
});

it('resumes the newest unfinished run, extends the newest finished one, and the config.json of a run starts another', async () => {
  expect(await dm(training(2, '--out', 'runs/done'), folder)).toMatchObject({ code: 0 });
  expect(await dm(training(3, '--out', 'runs/my run', '--step-budget', '1'), folder)).toMatchObject({ code: 0 });
  expect(await dm(training(1, '--out', 'runs/later'), folder)).toMatchObject({ code: 0 });

  const resumed = await dm(['train', '--resume', '--step-budget', '1'], folder);
  expect(resumed).toMatchObject({ code: 0, stderr: '' });
  expect(resumed.stdout).toMatch(/runs\/my run .*step 1 of 3/);
  expect(resumed.stdout).toMatch(/next: +.* train --resume --out 'runs\/my run'\n/);
  await expect(dmJson(['train', '--resume', '--model', 'unet'], folder)).rejects.toThrowWith({
    code: 'RESUME_MISMATCH',
    contains: ['runs/my run', 'model.type', 'unet'],
  });
  expect(await dmJson(['train', '--resume'], folder)).toContainEqual(
    expect.objectContaining({ event: 'end', status: 'finished', step: 3, out: 'runs/my run' }),
  );
  await expect(dmJson(['train', '--resume'], folder)).rejects.toThrowWith({
    code: 'RUN_NOT_FOUND',
    contains: ["train --extend <steps> --out 'runs/my run'"],
  });
  expect(await dmJson(['train', '--extend', '2', '--step-budget', '9'], folder)).toContainEqual(
    expect.objectContaining({ event: 'end', status: 'finished', step: 5, totalSteps: 5, out: 'runs/my run' }),
  );

  const again = await dmJson(['train', '--config', 'runs/done/config.json'], folder);
  expect(again).toContainEqual(expect.objectContaining({ event: 'end', out: 'runs/mnist', totalSteps: 2 }));
  const { out } = JSON.parse(readFileSync(join(folder, 'runs/done/config.json'), 'utf8')) as { out: string };
  expect(out).toBe('runs/done');
  // A file that no run wrote names the folder.
  expect(await dmJson(training(1), folder)).toContainEqual(expect.objectContaining({ event: 'end', out: 'runs/own' }));
});

it('a name with a leading dash works, and hints quote it', async () => {
  const { code, stdout } = await dm(training(1, '--out', '-my run'), folder);
  expect(code).toBe(0);
  expect(stdout).toMatch(/next: +.* sample --run '\.\/-my run' --out samples\.png\n/);
  expect(await dm(['report', './-my run'], folder)).toMatchObject({ code: 0 });
});
