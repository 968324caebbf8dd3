// The built program trains a tiny trial and reads its samples.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('a trial of two steps', () => {
  const main = join(import.meta.dirname, '..', 'dist', 'main.js');
  const output = execFileSync(process.execPath, [main, '--scale', 'smoke'], {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '0' },
  });
  const result = JSON.parse(output.trim().split('\n').at(-1)!) as { readonly samples: Record<string, object> };
  expect(result).toMatchObject({ recipe: 'mnist', steps: 2, images: 100 });
  expect(Object.keys(result.samples)).toEqual(['plain']);
});
