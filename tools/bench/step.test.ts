// Invalid flags are reported before anything is timed.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it.each([
  [
    ['--cases', 'unet'],
    ['--cases', 'unknown unet', 'unet-32x32x3-batch-16, '],
  ],
  [
    ['--contenders', 'dm,jax'],
    ['--contenders', 'unknown jax', 'dm, pytorch-eager-contiguous, '],
  ],
  [
    ['--rounds', '0'],
    ['--rounds', '>= 1', 'got 0'],
  ],
  [
    ['--steps', 'two'],
    ['--steps', '>= 1', 'got two'],
  ],
])('rejects %j', (flags, contains) => {
  const { status, stderr } = spawnSync(process.execPath, ['step.mjs', ...flags], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  for (const text of contains) expect(stderr).toContain(text);
  expect(status).toBe(1);
});
