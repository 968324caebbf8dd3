import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';
import { nodeComplaint } from '../bootstrap/node-version.mjs';
import { isAllowed, licenseProblems } from './licenses.mjs';
import { npm, pnpm, yarn } from './managers.mjs';
import {
  allPackages,
  firstExample,
  hasCode,
  installedByReader,
  requiredPeers,
  withOwnDependencies,
} from './packages.mjs';
import { cleanEnvironment } from './processes.mjs';

const packages = allPackages(root);
const read = (path: string) => readFileSync(join(root, path), 'utf8');

describe('READMEs', () => {
  it.each([...packages.values()].filter(hasCode))('@dm/$name: its example imports only what it installs', (one) => {
    const readme = readFileSync(join(one.folder, 'README.md'), 'utf8');
    const imported = [...firstExample(readme).matchAll(/from '([^']+)'|^import '([^']+)'/gm)]
      .map(([, from, effect]) => (from ?? effect)!)
      .filter((name) => !name.startsWith('node:'));
    const installed = installedByReader(readme, one.manifest.name).map((each) => each.replace(/(.)@.*$/, '$1'));
    expect(imported).not.toEqual([]);
    expect(installed).toEqual(expect.arrayContaining(imported));
  });

  it('reads names and versions from lines of npm install, without comments', () => {
    expect(installedByReader('```sh\nnpm install @dm/a b@1.2.6 # for b\nnpm install b@1.2.6\n```', '@dm/a')).toEqual([
      '@dm/a',
      'b@1.2.6',
    ]);
    expect(() => firstExample('```sh\nls\n```')).toThrowWith({ type: Error, contains: 'TypeScript' });
  });
});

describe('packages', () => {
  it('finds direct and indirect dependencies, and required peers alone', () => {
    const names = withOwnDependencies('jit', packages).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['jit', 'ops', 'onnxruntime-linux-x64']));
    expect(names).not.toContain('core');
    expect(requiredPeers([packages.get('ops')!, packages.get('jit')!])).toEqual({
      '@tensorflow/tfjs-core': packages.get('ops')!.manifest.peerDependencies!['@tensorflow/tfjs-core'],
    });
    expect(() => withOwnDependencies('nothing', packages)).toThrowWith({ type: Error, contains: 'nothing' });
  });
});

describe('licenses', () => {
  it.each([
    ['MIT', true],
    ['(MIT OR GPL-3.0-only)', true],
    ['(MIT AND Apache-2.0)', true],
    ['MIT AND GPL-3.0-only', false],
    ['GPL-3.0-only', false],
    ['SEE LICENSE IN LICENSE.md', false],
    ['', false],
  ])('%s: %s', (expression, allowed) => {
    expect(isAllowed(expression)).toBe(allowed);
  });

  it('names packages without an allowed license', () => {
    const components = [
      { name: 'a', version: '1.0.0', licenses: [{ license: { id: 'MIT' } }] },
      { name: 'b', version: '1.0.0', licenses: [{ expression: 'MIT OR CC0-1.0' }] },
      { name: 'c', version: '1.0.0', licenses: [{ license: { id: 'MIT' } }, { license: { id: 'AGPL-3.0' } }] },
      { name: 'd', version: '1.0.0' },
    ];
    expect(licenseProblems({ bomFormat: 'CycloneDX', components })).toEqual([
      'c@1.0.0: MIT, AGPL-3.0',
      'd@1.0.0: no license',
    ]);
  });
});

describe('warnings of package managers', () => {
  it.each([
    [npm('11.0.0', ''), 'npm warn ERESOLVE overriding peer dependency', true],
    [npm('11.0.0', ''), 'npm warn Unknown user config "x".', false],
    [npm('11.0.0', ''), 'npm warn deprecated glob@7: old', false],
    [pnpm('10.0.0', ''), ' WARN  Issues with peer dependencies found', true],
    [pnpm('10.0.0', ''), ' WARN  deprecated glob@7: old', false],
    [yarn('4.0.0', ''), '➤ YN0002: │ x does not provide @tensorflow/tfjs-core', true],
    [yarn('4.0.0', ''), '➤ YN0000: · Done', false],
  ])('$name, %s', (manager, line, complains) => {
    expect(manager.complaint.test(`first\n${line}\n`)).toBe(complains);
  });
});

it('passes no settings of npm, Nx, or Node to an empty project, but the registry', () => {
  const set = { npm_config_test: '1', NX_TEST: '1', npm_config_registry: 'http://localhost:1/' };
  Object.assign(process.env, set);
  const env = cleanEnvironment({ A: 'b' }, ['/first']);
  for (const name of Object.keys(set)) delete process.env[name];
  expect(env).toMatchObject({
    A: 'b',
    PATH: expect.stringMatching(/^\/first[:;]/),
    npm_config_registry: expect.any(String),
    FORCE_COLOR: '0',
  });
  expect(env).not.toHaveProperty('npm_config_test');
  expect(env).not.toHaveProperty('NX_TEST');
});

it('entries of changelogs have the text of the changeset, and one line for updated dependencies', async () => {
  const changelog = createRequire(import.meta.url)('../../.changeset/changelog.cjs') as {
    getReleaseLine(changeset: { summary: string }): Promise<string>;
    getDependencyReleaseLine(changesets: [], dependencies: { name: string; newVersion: string }[]): Promise<string>;
  };
  expect(await changelog.getReleaseLine({ summary: 'One.\n\nTwo.\n' })).toBe('- One.\n\n  Two.');
  const dependencies = ['ops', 'core'].map((name) => ({ name: `@dm/${name}`, newVersion: '0.1.0' }));
  expect(await changelog.getDependencyReleaseLine([], dependencies)).toBe(
    '- Updated dependencies: @dm/ops 0.1.0, @dm/core 0.1.0',
  );
  expect(await changelog.getDependencyReleaseLine([], [])).toBe('');
});

it('the workflow rehearses before it publishes, with the commands of the rehearsal', () => {
  const workflow = read('.github/workflows/release.yml');
  expect(workflow.indexOf('nx run release:rehearse -c full')).toBeGreaterThan(0);
  expect(workflow).toMatch(/release:\n\s+needs: rehearse/);
  expect(workflow).toContain('version: pnpm exec changeset version');
  expect(workflow).toContain('publish: pnpm exec changeset publish');
  expect(read('tools/release/publish.mjs')).toMatch(/'version'\][^]*'publish', /);
});

it('every package needs the Node version that the page names', () => {
  expect(read('docs/release.md')).toContain('Node 20 or later');
  expect([nodeComplaint('19.9.0'), nodeComplaint('20.0.0')]).toEqual([expect.stringContaining('Node 20'), undefined]);
});
