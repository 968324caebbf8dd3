import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const check = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'repository-size.mjs'), ...args], { encoding: 'utf8' });

it('the size of the tracked files is within the limit', () => {
  expect(check().stderr).toBe('');
  expect(check().status).toBe(0);
});

it('above the limit, the check fails and lists the largest files', () => {
  const { status, stderr } = check('1');
  expect(status).toBe(1);
  for (const text of ['1.00 MiB', 'pnpm-lock.yaml', 'packages/eval/assets/']) expect(stderr).toContain(text);
});
