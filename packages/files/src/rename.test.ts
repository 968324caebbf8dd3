import { expect, it } from 'vitest';
import { renameOver } from './rename.js';

/** Attempts of a rename that fails with `code` the first `failures` times, and the error that remains. */
function attempts(platform: NodeJS.Platform, code: string, failures: number) {
  let count = 0;
  const rename = () => {
    count++;
    if (count <= failures) throw Object.assign(new Error(code), { code });
  };
  try {
    renameOver('a', 'b', { platform, rename, wait: () => {} });
    return { count };
  } catch (error) {
    return { count, code: (error as NodeJS.ErrnoException).code };
  }
}

it.each(['EPERM', 'EACCES', 'EBUSY'])('Windows: %s is tried again, but not for ever', (code) => {
  expect(attempts('win32', code, 3)).toEqual({ count: 4 });
  expect(attempts('win32', code, 1000)).toEqual({ count: 8, code });
});

it('other errors, and those of other systems, are final', () => {
  expect(attempts('win32', 'ENOSPC', 1)).toEqual({ count: 1, code: 'ENOSPC' });
  expect(attempts('linux', 'EPERM', 1)).toEqual({ count: 1, code: 'EPERM' });
});
