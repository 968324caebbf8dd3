import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { trainingPart, type PartialConfig } from './schema.js';
import { nearest } from './suggestion.js';
import { presets } from './presets.js';
import { configFile } from './config-file.js';
import { assignment, resolveConfig } from './resolve.js';
import { UserError } from '../errors.js';

const numbered = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('');
const layer = (value: unknown, source = 'test') => ({ source, value: value as PartialConfig });
const resolve = (value: unknown) => resolveConfig([layer(value)]);
const invalid = (...contains: string[]) => ({ type: UserError, code: 'CONFIG_INVALID', contains });
const unknownField = (...contains: string[]) => ({ type: UserError, code: 'CONFIG_UNKNOWN_FIELD', contains });

describe('resolving', () => {
  it('takes the mnist preset where nothing is said, and every preset is valid', () => {
    expect(resolveConfig()).toEqual({ ...presets['mnist'], preset: 'mnist' });
    for (const preset of Object.keys(presets)) expect(resolve({ preset }).preset).toBe(preset);
  });

  it.each([
    ['sampler', { type: { toString: 1 } }],
    ['engine', { toString: 1, valueOf: 1 }],
  ])('refuses an object without a text as the type of %s', (field, value) => {
    expect(() => resolve({ [field]: value })).toThrowWith(invalid(field));
  });

  it('names the source of the type whose required options are missing', () => {
    const layers = [layer({ seed: 1 }, 'my.json'), assignment('ema=fixed')];
    expect(() => resolveConfig(layers)).toThrowWith(invalid('ema.decay', 'got nothing (--set ema=fixed)'));
  });

  it('lays later layers on top, field by field', () => {
    const config = resolveConfig([
      layer({ preset: 'cifar10', optimizer: { lr: 1, maxGradNorm: 2 }, batchSize: 3 }),
      layer({ optimizer: { lr: 5 }, seed: undefined }),
    ]);
    expect(config.data).toBe('cifar10');
    expect(config.optimizer).toMatchObject({ lr: 5, maxGradNorm: 2, momentumDecay: { type: 'demon' } });
    expect(config).toMatchObject({ batchSize: 3, seed: 0 });
  });

  it('drops the options of a part that is replaced by another kind, and keeps those of the same kind', () => {
    const other = resolveConfig([
      layer({ model: { type: 'dit', depth: 2 }, curriculum: { type: 'uniform' } }),
      layer({ lossWeighting: { type: 'minSnr', gamma: 3 } }),
      layer({ lossWeighting: { type: 'constant' }, sampler: { type: 'ddpm' } }),
    ]);
    expect(other.model).toEqual({ type: 'dit', depth: 2 });
    expect(other.lossWeighting).toEqual({ type: 'constant' });
    expect(other.sampler).toEqual({ ...presets['mnist']!.sampler, type: 'ddpm' });
    const lion = resolve({ optimizer: { type: 'lion', lr: 1 } });
    expect(lion.optimizer).toEqual({ ...presets['mnist']!.optimizer, type: 'lion', lr: 1 });
    const same = resolveConfig([layer({ curriculum: { mu: 0.4 } }), layer({ curriculum: { type: 'clts' } })]);
    expect(same.curriculum).toEqual({ type: 'clts', mu: 0.4, coordinateDefaults: true });
  });

  it('reads files and assignments', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-config-'));
    const path = join(folder, 'my.json');
    writeFileSync(path, '{"batchSize": 0}');
    expect(() => resolveConfig([configFile(path)])).toThrowWith(invalid('batchSize', 'at least 1', 'got 0', path));
    writeFileSync(path, '[1]');
    expect(() => configFile(path)).toThrowWith(invalid(path, 'JSON object'));
    writeFileSync(path, '{');
    expect(() => configFile(path)).toThrowWith(invalid(path, 'not JSON'));
    expect(() => configFile(join(folder, 'none.json'))).toThrowWith(invalid('none.json'));

    const yaml = join(folder, 'my.yaml');
    writeFileSync(yaml, 'preset: cifar10\noptimizer: # of all\n  lr: 1e-3\n  betas: [0.8, 0.9]\n$schema: ./dm.json\n');
    expect(resolveConfig([configFile(yaml)])).toMatchObject({
      preset: 'cifar10',
      optimizer: { lr: 1e-3, betas: [0.8, 0.9], maxGradNorm: 1 },
    });
    writeFileSync(yaml, 'optimizer:\n  lr: 1\n lr: 2\n');
    expect(() => configFile(yaml)).toThrowWith(invalid('my.yaml', 'YAML', 'line 3'));
    for (const [file, hostile, ...reasons] of [
      [yaml, 'model: &a [*a]\n'], // a circle
      [yaml, `model: ${'['.repeat(50_000)}`, 'nested'],
      [yaml, `model: ${'{a: '.repeat(50_000)}`, 'nested'],
      [yaml, `${'- '.repeat(50_000)}a`, 'nested'],
      [yaml, `${'? '.repeat(50_000)}a`, 'nested'],
      [yaml, `model: ${'['.repeat(101)}${']'.repeat(101)}`, 'nested'],
      // Nested by aliases, each of the one before.
      [yaml, `a0: &a0 []\n${numbered(2000, (i) => `a${i + 1}: &a${i + 1} [*a${i}]\n`)}`, 'aliases'],
      [yaml, `a0: &a0 []\n${numbered(90, (i) => `a${i + 1}: &a${i + 1} [[*a${i}]]\n`)}`, 'nested'],
      // Each is nine of the one before.
      [yaml, `a0: &a0 [x]\n${numbered(10, (i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join()}]\n`)}`],
      [yaml, numbered(30_000, (i) => `a${i}: 1\n`), 'JSON file'],
      [path, `{"model":${'['.repeat(1e6)}`, 'nested'],
      [path, `{"model":${'{"a":'.repeat(5000)}1${'}'.repeat(5001)}`, 'nested'],
    ] as const) {
      writeFileSync(file, hostile);
      expect(() => configFile(file)).toThrowWith(invalid(file, ...reasons));
    }
    // Brackets that nest nothing, text that only looks like aliases, and 50 aliases.
    writeFileSync(yaml, `data: "${'['.repeat(300)}" # ${'['.repeat(300)}\n`);
    expect(configFile(yaml).value.data).toHaveLength(300);
    writeFileSync(yaml, `a: &a 1\nb: [${Array(50).fill('*a').join()}]\ndata: |\n${'  *a\n'.repeat(300)}`);
    expect(configFile(yaml).value.data).toBe('*a\n'.repeat(300));
    writeFileSync(yaml, 'optimizer:\n  lrr: 1\n');
    expect(() => resolveConfig([configFile(yaml)])).toThrowWith(unknownField(yaml, '"optimizer.lrr"', 'mean "lr"'));
    writeFileSync(yaml, '- 1\n');
    expect(() => configFile(yaml)).toThrowWith(invalid(yaml, 'fields'));
    rmSync(folder, { recursive: true });

    const config = resolveConfig(
      ['optimizer.maxGradNorm=null', 'engine=tfjs-cpu', 'model.block_out_channels=[8, 16]'].map(assignment),
    );
    expect(config).toMatchObject({
      optimizer: { maxGradNorm: null },
      engine: 'tfjs-cpu',
      model: { block_out_channels: [8, 16] },
    });
    expect(() => assignment('engine')).toThrowWith(invalid('--set engine', 'field=value'));
    expect(() => assignment(`${'a.'.repeat(9000)}b=1`)).toThrowWith(invalid('nested'));
    const deep = `${'['.repeat(9000)}${']'.repeat(9000)}`;
    expect(() => assignment(`optimizer.betas=${deep}`)).toThrowWith(invalid('--set optimizer.betas', 'nested'));
  });

  it('ignores what a run recorded, so that a config.json can be used again', () => {
    const config = resolve({ recorded: { engine: { name: 'tfjs-cpu' } }, seed: 7 });
    expect(trainingPart(config)).not.toHaveProperty('recorded');
    expect(trainingPart(config).seed).toBe(7);
  });
});

describe('errors', () => {
  it.each([
    [{ batchSiez: 3 }, ['test', '"batchSiez"', 'mean "batchSize"']],
    [{ optimizer: { learningrate: 3, Lr: 3 } }, ['"optimizer.Lr"', 'mean "lr"', '"optimizer.learningrate"']],
    [{ lossWeighting: { type: 'minSnr', gama: 5 } }, ['"lossWeighting.gama"', 'mean "gamma"']],
    [{ extraEmas: { slow: { type: 'fixed', decy: 0.9 } } }, ['"extraEmas.slow.decy"', 'mean "decay"']],
    [{ uncertainty: { lr: 1, chanels: 3 } }, ['"uncertainty.chanels"', ': lr.']],
  ])('name the unknown field of %j and the nearest known one', (value, contains) => {
    expect(() => resolve(value)).toThrowWith(unknownField(...contains));
  });

  it.each([
    [
      { preset: 'mnits' },
      [
        'preset "mnits"',
        'mean "mnist"',
        'mnist, mnist-fast, mnist-dit, mnist-uvit, mnist-flow, mnist-edm2, cifar10, cifar10-dit',
      ],
    ],
    [{ engine: 'onx' }, ['engine', 'onnx, tfjs-node-gpu, tfjs-node', 'did you mean "onnx"', 'got "onx" (test)']],
    [{ batchSize: 0 }, ['batchSize', 'at least 1', 'got 0 (test)']],
    [{ batchSize: 1.5 }, ['batchSize', 'integer', 'got 1.5 (test)']],
    [{ optimizer: { lr: -1 } }, ['optimizer.lr', 'more than 0', 'got -1 (test)']],
    [{ optimizer: { betas: [0.9, 1] } }, ['optimizer.betas.1', 'less than 1', 'got 1 (test)']],
    [{ seed: 'x' }, ['seed', 'type number', 'got "x" (test)']],
    [{ model: { type: 'uvit', num_classes: 'ten' } }, ['model.num_classes', '-1', 'type number', 'got "ten" (test)']],
    [{ lossWeighting: { type: 'minsnr' } }, ['lossWeighting.type', 'constant, minSnr, softMinSnr', 'got "minsnr"']],
    [{ lossWeighting: 'minsnr' }, ['did you mean "minSnr"', 'got "minsnr" (test)']],
    [{ lossWeighting: { gamma: 5 } }, ['lossWeighting.gamma', 'type constant', 'got 5 (test)']],
    [{ uncertainty: { lr: 0 } }, ['uncertainty.lr', 'more than 0', 'got 0 (test)']],
    [{ uncertainty: 'learned' }, ['uncertainty', 'type object', 'got "learned" (test)']],
  ])('for %j say what is wrong and what would be right', (value, contains) => {
    expect(() => resolve(value)).toThrowWith(invalid(...contains));
  });

  it('name every impossible value at once', () => {
    expect(() => resolve({ batchSize: 0, samples: -1 })).toThrow(/batchSize .*\nsamples /);
  });
});

it('the nearest name is near', () => {
  expect(nearest('batch_size', ['batchSize', 'seed'])).toBe('batchSize');
  expect(nearest('zzzzzz', ['batchSize', 'seed'])).toBeUndefined();
  expect(nearest('x', [])).toBeUndefined();
});
