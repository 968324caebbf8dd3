// What the command says of flags that make no sense, before anything is timed.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it.each([
  [['--cases', 'unet'], /--cases: no unet; there are unet-32x32x3-batch-16, /],
  [['--contenders', 'dm,jax'], /--contenders: no jax; there are dm, pytorch-eager-contiguous, /],
  [['--rounds', '0'], /--rounds must be an integer >= 1, got 0/],
  [['--steps', 'two'], /--steps must be an integer >= 1, got two/],
])('refuses %j', (flags, message) => {
  const { status, stderr } = spawnSync(process.execPath, ['step.mjs', ...flags], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  expect(stderr).toMatch(message);
  expect(status).toBe(1);
});
