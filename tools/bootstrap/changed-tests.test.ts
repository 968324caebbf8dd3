import { expect, it } from 'vitest';
import { testsByDistance } from './changed-tests.mjs';

const file = (source: string, ...imports: string[]) => ({
  source: `packages/${source}`,
  dependencies: imports.map((name) => ({ resolved: `packages/${name}` })),
});

const modules = [
  file('core/a.ts'),
  file('core/b.ts', 'core/a.ts'),
  file('core/c.ts', 'core/b.ts', 'core/d.ts'),
  file('core/d.ts', 'core/c.ts'), // an import cycle must not cause an endless loop
  file('core/a.test.ts', 'core/a.ts'),
  file('core/b.test.ts', 'core/a.ts', 'core/b.ts'),
  file('core/c.test.ts', 'core/c.ts'),
  file('core/c.e2e.test.ts', 'core/c.ts'),
  file('core/c.long.test.ts', 'core/c.ts'),
  file('core/index.ts', 'core/a.ts'),
  file('trainer/x.test.ts', 'core/index.ts'),
];

it('finds the tests that import a changed file, nearest first', () => {
  expect(testsByDistance(modules, ['packages/core/a.ts'])).toEqual([
    ['packages/core/a.test.ts', 'packages/core/b.test.ts'],
    ['packages/core/c.test.ts'],
  ]);
});

it('includes a changed test itself', () => {
  expect(testsByDistance(modules, ['packages/core/c.test.ts'])).toEqual([['packages/core/c.test.ts']]);
});

it('excludes other projects, end-to-end tests, long tests, and files that are not modules', () => {
  expect(testsByDistance(modules, ['packages/core/c.ts', 'README.md'])).toEqual([['packages/core/c.test.ts']]);
  expect(testsByDistance(modules, ['README.md', 'packages/core/gone.ts'])).toEqual([]);
});
