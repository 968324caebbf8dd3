// Every example is a private package with a README and a target `start`, and is listed in examples/README.md.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';

const folder = join(root, 'examples');
const examples = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const names = examples.map(({ name }) => name);
const parse = (...path: string[]): unknown => JSON.parse(readFileSync(join(folder, ...path), 'utf8'));

it.each(names)('examples/%s is a package that can be started', (name) => {
  const manifest = parse(name, 'package.json') as { readonly scripts: { readonly start: string } };
  expect(manifest).toMatchObject({ name: `@dm/example-${name}`, private: true, type: 'module' });
  const start = { options: { command: manifest.scripts.start, cwd: '{projectRoot}' }, dependsOn: ['^build'] };
  expect(parse(name, 'project.json')).toMatchObject({ name: `example-${name}`, targets: { start, lint: {} } });
  const readme = readFileSync(join(folder, name, 'README.md'), 'utf8');
  expect(readme).toContain(`npx nx start example-${name}`);
  const links = [...readme.matchAll(/\]\(([\w.]+)\)/g)].map(([, path]) => path!);
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((path) => !existsSync(join(folder, name, path)))).toEqual([]);
});

it('README.md lists all examples', () => {
  const listed = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^\| \[([\w-]+)\]\(\1\)/gm)];
  expect(listed.map(([, name]) => name!).toSorted()).toEqual(names.toSorted());
  for (const page of ['README.md', 'docs/README.md']) {
    expect(readFileSync(join(root, page), 'utf8')).toMatch(/\]\((\.\.\/)?examples(\/README\.md)?\)/);
  }
});
