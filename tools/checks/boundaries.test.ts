// Creates a small workspace with forbidden imports and checks that dependency-cruiser reports each of them.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandOf } from '../bootstrap/commands.mjs';

const root = resolve(import.meta.dirname, '../..');
const packages = ['ops', 'mpi', 'files', 'core', 'optim', 'models', 'jit', 'data', 'eval', 'trainer', 'curriculum'];

type Planted = readonly (readonly [file: string, imports: string, rules: readonly string[]])[];

/** File, its import (types only after `type `), and the rules that must report it (none if it is allowed). */
const planted: Planted = [
  ['packages/ops/src/up.ts', '@dm/core', ['floor-ops']],
  ['packages/core/src/beside.ts', '@dm/optim', ['floor-core']],
  ['packages/files/src/up.ts', '@dm/data', ['floor-files']],
  ['packages/data/src/read.ts', '@dm/files', []],
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
  ['packages/core/src/b.ts', './a.js', []], // a cycle is reported once, at its first file
  ['packages/core/src/type-a.ts', 'type ./type-b.js', ['no-cycles']],
  ['packages/core/src/type-b.ts', 'type ./type-a.js', []],
  ['packages/trainer/src/config/up.ts', '../commands/flags.js', ['trainer-folders']],
  ['packages/trainer/src/config/type-up.ts', 'type ../session/x.js', ['trainer-folders']],
  ['packages/trainer/src/config/beside.ts', './up.js', []],
  ['packages/trainer/src/config/up.test.ts', '../commands/flags.js', []],
  ['packages/trainer/src/session/x.ts', '../logs/x.js', []],
  ['packages/trainer/src/logs/x.ts', '../report/x.js', ['trainer-folders']], // on the same floor
  ['packages/trainer/src/report/x.ts', '../errors.js', []],
  ['packages/trainer/src/errors.ts', '@dm/ops', []],
  ['packages/trainer/src/commands/flags.ts', '../train.js', []],
  ['packages/trainer/src/train.ts', './session/x.js', []],
  ['packages/trainer/src/session/root.ts', '../train.js', ['trainer-folders']],
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
  ['examples/roll/main.ts', '@dm/trainer', []],
  ['examples/roll/reach.ts', '../../packages/core/src/index.js', ['examples-alone']],
  ['examples/roll/other.ts', '../loop/main.js', ['examples-alone']],
  ['examples/loop/main.ts', './draw.js', []],
  ['examples/loop/draw.ts', '@dm/data', []],
  ['packages/core/src/example.ts', '../../../examples/loop/draw.js', ['floor-core']],
];

/** The same for .dependency-cruiser.browser.cjs. */
const plantedInBrowser: Planted = [
  ['packages/trainer/src/step/direct.ts', 'node:fs', ['browser']],
  ['packages/trainer/src/step/through.ts', '../files/read.js', ['browser']],
  ['packages/trainer/src/step/types.ts', 'type node:fs', []],
  ['packages/trainer/src/step/direct.test.ts', 'node:fs', []],
  ['packages/trainer/src/step/pure.ts', '@dm/ops', []],
  ['packages/trainer/src/core.ts', './setup/optimizers.js', ['browser']],
  ['packages/trainer/src/browser.ts', './setup/engine.js', ['browser']],
  ['packages/trainer/src/browser/store.ts', 'node:fs', ['browser']],
  ['packages/trainer/src/setup/optimizers.ts', 'sharp', []],
  ['packages/trainer/src/setup/engine.ts', 'node:os', []],
  ['packages/models/src/index.ts', 'node:os', ['browser']],
  // Packages with an entry for browsers may use Node behind the other one.
  ['packages/eval/src/index.ts', 'node:fs', []],
  ['packages/trainer/src/step/evaluates.ts', '@dm/eval', []],
  ['packages/data/src/browser.ts', './batch.js', ['browser']],
  ['packages/data/src/batch.ts', 'sharp', []],
  ['packages/trainer/src/step/loads.ts', '@dm/data', ['browser']],
  ['packages/trainer/src/files/read.ts', 'node:fs', []],
];

const workspace = mkdtempSync(join(tmpdir(), 'boundaries-'));
let refused: Map<string, Set<string>>;
let refusedInBrowser: Map<string, Set<string>>;

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
        exports: { '.': { browser: { '@dm/source': './src/browser.ts' }, '@dm/source': './src/index.ts' } },
        dependencies: { '@tensorflow/tfjs': '*' },
        peerDependencies: { peer: '*' },
        devDependencies: { 'dev-only': '*', peer: '*' },
      }),
    );
    for (const entry of ['index', 'browser']) write(`packages/${name}/src/${entry}.ts`, 'export const here = 1;\n');
    symlinkSync(join(workspace, 'packages', name), join(workspace, 'node_modules/@dm', name), 'dir');
  }
  for (const name of ['experiments/speed', 'examples/roll', 'examples/loop']) write(`${name}/package.json`, '{}');
  write('tools/config/x.ts', 'export const here = 1;\n');
  for (const name of ['undeclared', 'dev-only', 'peer', 'sharp', '@tensorflow/tfjs'])
    writeModule(`node_modules/${name}`, name);
  for (const [file, imports] of [...planted, ...plantedInBrowser]) {
    const [, module] = /^type (.*)/.exec(imports) ?? [];
    const statement = module === undefined ? `import '${imports}'` : `import type * as types from '${module}'`;
    write(file, `${statement};\nexport const here = 1;\n`);
  }
  refused = cruise('.dependency-cruiser.cjs', ['packages', 'experiments', 'examples']);
  refusedInBrowser = cruise('.dependency-cruiser.browser.cjs', ['packages']);
});

/** File → names of the rules that report its import. */
function cruise(config: string, folders: readonly string[]): Map<string, Set<string>> {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [commandOf('dependency-cruiser', 'depcruise'), ...folders, '--config', join(root, config), '--output-type', 'json'],
    { cwd: workspace, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (stderr) throw new Error(stderr);
  const report = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
  const rules = new Map<string, Set<string>>();
  for (const { from, rule } of report.summary.violations) {
    rules.set(from, (rules.get(from) ?? new Set()).add(rule.name));
  }
  return rules;
}

afterAll(() => rmSync(workspace, { recursive: true, force: true }));

describe('boundaries', () => {
  it.each(planted)('%s importing %s: %j', (file, _imports, rules) => {
    expect(refused.get(file) ?? new Set()).toEqual(new Set(rules));
  });

  it.each(plantedInBrowser)('browser: %s importing %s: %j', (file, _imports, rules) => {
    expect(refusedInBrowser.get(file) ?? new Set()).toEqual(new Set(rules));
  });
});
