// Plants imports that the floors forbid in a small workspace of its own and sees .dependency-cruiser.cjs refuse each.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandOf } from './commands.mjs';

const root = resolve(import.meta.dirname, '../..');
const packages = ['ops', 'core', 'optim', 'models', 'jit', 'data', 'eval', 'trainer', 'curriculum'];

/** File, what it imports, and the rules that should refuse it (none: a lawful import). */
const planted: readonly (readonly [file: string, imports: string, rules: readonly string[]])[] = [
  ['packages/ops/src/up.ts', '@dm/core', ['floor-ops']],
  ['packages/core/src/beside.ts', '@dm/optim', ['floor-core']],
  ['packages/models/src/engine.ts', '@dm/jit', ['floor-models']],
  ['packages/data/src/metrics.ts', '@dm/eval', ['floor-data']],
  ['packages/eval/src/images.ts', '@dm/data', []],
  ['packages/curriculum/src/maths.ts', '@dm/core', ['floor-curriculum']],
  ['packages/eval/src/schedule.ts', '@dm/curriculum', ['floor-eval']],
  ['packages/trainer/src/schedule.ts', '@dm/curriculum', []],
  ['packages/trainer/src/model.ts', '@dm/models', []],
  ['packages/jit/src/op.ts', '@dm/ops', []],
  ['packages/core/src/reach.ts', '../../ops/src/index.js', ['public-entry-only']],
  ['packages/core/src/deep.ts', '@dm/ops/src/index.js', ['resolvable']],
  ['packages/core/src/up.test.ts', '@dm/trainer', ['floor-core']],
  ['packages/core/src/tool.ts', '../../../tools/config/x.js', ['floor-core']],
  ['packages/core/src/a.ts', './b.js', ['no-cycles']],
  ['packages/core/src/b.ts', './a.js', []], // a circle is reported once, at its first file
  ['packages/core/src/umbrella.ts', '@tensorflow/tfjs', ['no-umbrella-tfjs']],
  ['packages/core/src/undeclared.ts', 'undeclared', ['declared']],
  ['packages/core/src/dev.ts', 'dev-only', ['declared-for-users']],
  ['packages/core/src/dev.test.ts', 'dev-only', []],
  ['packages/core/src/testing.ts', 'dev-only', []],
  ['packages/core/src/helped.test.ts', './testing.js', []],
  ['packages/core/src/helped.ts', './testing.js', ['test-helpers']],
  ['packages/core/src/peer.ts', 'peer', []],
  ['experiments/speed/run.ts', '@dm/trainer', []],
  ['experiments/speed/reach.ts', '../../packages/core/src/index.js', ['public-entry-only-experiments']],
];

const workspace = mkdtempSync(join(tmpdir(), 'boundaries-'));
const refused = new Map<string, string[]>();

function write(file: string, content: string) {
  mkdirSync(dirname(join(workspace, file)), { recursive: true });
  writeFileSync(join(workspace, file), content);
}

function writeModule(folder: string, name: string) {
  write(join(folder, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
  write(join(folder, 'index.js'), 'module.exports = {};');
}

beforeAll(() => {
  copyFileSync(join(root, 'tsconfig.base.json'), join(workspace, 'tsconfig.base.json'));
  mkdirSync(join(workspace, 'node_modules/@dm'), { recursive: true });
  for (const name of packages) {
    write(
      `packages/${name}/package.json`,
      JSON.stringify({
        name: `@dm/${name}`,
        exports: { '.': { '@dm/source': './src/index.ts' } },
        dependencies: { '@tensorflow/tfjs': '*' },
        peerDependencies: { peer: '*' },
        devDependencies: { 'dev-only': '*', peer: '*' },
      }),
    );
    write(`packages/${name}/src/index.ts`, 'export const here = 1;\n');
    symlinkSync(join(workspace, 'packages', name), join(workspace, 'node_modules/@dm', name), 'dir');
  }
  write('experiments/speed/package.json', '{}');
  write('tools/config/x.ts', 'export const here = 1;\n');
  for (const name of ['undeclared', 'dev-only', 'peer', '@tensorflow/tfjs']) writeModule(`node_modules/${name}`, name);
  for (const [file, imports] of planted) write(file, `import '${imports}';\nexport const here = 1;\n`);

  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      commandOf('dependency-cruiser', 'depcruise'),
      'packages',
      'experiments',
      '--config',
      join(root, '.dependency-cruiser.cjs'),
      '--output-type',
      'json',
    ],
    { cwd: workspace, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (stderr) throw new Error(stderr);
  const report = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
  for (const { from, rule } of report.summary.violations) refused.set(from, [...(refused.get(from) ?? []), rule.name]);
});

afterAll(() => rmSync(workspace, { recursive: true, force: true }));

describe('package boundaries', () => {
  it.each(planted)('%s importing %s: %j', (file, _imports, rules) => {
    expect(new Set(refused.get(file))).toEqual(new Set(rules));
  });
});
