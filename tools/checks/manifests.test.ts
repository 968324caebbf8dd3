// Every package.json has the metadata shown on npm: description, keywords, homepage, repository, bug tracker, license.
// Pages and messages agree with the manifests.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';

const packages = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json')),
);
const site = 'https://github.com/dm-diffusion/dm';

it.each(packages)('packages/%s/package.json describes the package', (name) => {
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
  expect(manifest).toMatchObject({
    description: expect.stringMatching(/\w+ \w+/),
    keywords: expect.arrayContaining(['diffusion-models']),
    homepage: `${site}/tree/main/packages/${name}#readme`,
    bugs: `${site}/issues`,
    license: name.startsWith('onnxruntime-') ? 'MIT' : 'Apache-2.0', // the license of ONNX Runtime
    repository: { type: 'git', url: `git+${site}.git`, directory: `packages/${name}` },
  });
});

it('the README installs all tarballs that the trainer needs, and nx pack trainer packs them', () => {
  const needed = new Set<string>();
  const visit = (name: string): void => {
    if (needed.has(name)) return;
    needed.add(name);
    const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as {
      readonly dependencies?: Readonly<Record<string, string>>;
    };
    for (const other of Object.keys(manifest.dependencies ?? {})) {
      if (other.startsWith('@dm/')) visit(other.slice('@dm/'.length));
    }
  };
  visit('trainer');
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const installed = /packages\/\{([\w,-]+)\}\/tarball/.exec(readme)?.[1]?.split(',');
  expect(installed?.toSorted()).toEqual([...needed].toSorted());
  const { targetDefaults } = JSON.parse(readFileSync(join(root, 'nx.json'), 'utf8')) as {
    readonly targetDefaults: { readonly pack: { readonly dependsOn: readonly string[] } };
  };
  expect(targetDefaults.pack.dependsOn).toContain('^pack');
});

it.each(['CONTRIBUTING.md', 'docs/engines.md', 'packages/data/src/io/npm-package.ts'])(
  '%s names the version of pnpm that package.json pins',
  (file) => {
    const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly packageManager: string;
    };
    const named = readFileSync(join(root, file), 'utf8').match(/pnpm@[\d.]+/g) ?? [];
    expect(new Set(named)).toEqual(new Set([packageManager]));
  },
);
