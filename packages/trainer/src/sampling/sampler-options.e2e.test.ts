// Every option of the sampler reaches the built command, by flag or by --set.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseNpy } from '@dm/data';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dm, dmJson } from '../testing/command.js';
import { tinyArguments, tinyFolder } from '../testing/tiny.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
  await dm(tinyArguments(folder, 4, 'run'), folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function samples(...options: string[]): Promise<readonly number[]> {
  const { code, stderr } = await dm(
    ['sample', '--run', 'run', '--count', '2', '--steps', '4', '--out', 'x.npy', ...options],
    folder,
  );
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return Array.from(parseNpy(readFileSync(join(folder, 'x.npy')), 'x.npy').data as Float32Array);
}

it('by flags, each of which changes the images, and by --set', { timeout: 300_000 }, async () => {
  const plain = await samples();
  const cases: Record<string, readonly string[]> = {
    '--eta 0.5': ['--set', 'sampler.eta=0.5'],
    '--sampler ddpm --variance fixedLarge': ['--set', 'sampler.type=ddpm', 'sampler.variance=fixedLarge'],
    '--sampler heun --churn 2 --path karras': [
      '--set',
      'sampler.type=heun',
      'sampler.churn.amount=2',
      'sampler.path.type=karras',
    ],
    '--sampler unipc --order 3': ['--set', 'sampler.type=unipc', 'sampler.order=3'],
    '--sampler lms --order 3': ['--set', 'sampler.type=lms', 'sampler.order=3'],
    '--sampler euler --churn 3': ['--set', 'sampler.type=euler', 'sampler.churn.amount=3'],
    '--sampler dpmpp-2s-ancestral --eta 0.5 --noise-std 1.1': [
      '--set',
      'sampler.type=dpmpp-2s-ancestral',
      'sampler.eta=0.5',
      'sampler.noiseStd=1.1',
    ],
    '--sampler unipc --solver-type bh1 --path exponential': [
      '--set',
      'sampler.type=unipc',
      'sampler.solverType=bh1',
      'sampler.path=exponential',
    ],
    '--path flow --spacing flow-match-euler': ['--set', 'sampler.path={"type":"flow","spacing":"flow-match-euler"}'],
    '--path flow': ['--set', 'sampler.path=flow'],
    '--path edm': ['--set', 'sampler.path={"type":"edm"}'],
    '--spacing trailing': ['--set', 'sampler.path.spacing=trailing'],
    '--steps-offset 1 --final first': ['--set', 'sampler.path.stepsOffset=1', 'sampler.path.final=first'],
    '--clip 0.25': ['--set', 'sampler.clipping={"type":"range","max":0.25}'],
    '--clip none': ['--set', 'sampler.clipping=null'],
  };
  for (const [flags, set] of Object.entries(cases)) {
    const made = await samples(...flags.split(' '));
    expect(made, flags).not.toEqual(plain);
    expect(await samples(...set), flags).toEqual(made);
  }
  // Within its limit of 1, thresholding is clipping.
  expect(await samples('--threshold', '0.9')).toEqual(plain);
});

it.each<[string[], string, string[]]>([
  [['--eta', '2'], 'CONFIG_INVALID', ['sampler.eta', 'got 2', '--eta']],
  [['--sampler', 'euler', '--eta', '1'], 'CONFIG_INVALID', ['euler', '"eta"']],
  [
    ['--sampler', 'dpmpp-3m', '--solver-type', 'bh1'],
    'CONFIG_INVALID',
    ['sampler.solverType', '"bh1"', '--solver-type'],
  ],
  [['--sampler', 'dpm-2', '--noise-std', '1'], 'CONFIG_INVALID', ['dpm-2', '"noiseStd"']],
  [['--sampler', 'lms', '--order', '5'], 'CONFIG_INVALID', ['sampler.order', 'got 5', '--order']],
  [['--spacing', 'log'], 'CONFIG_INVALID', ['sampler.path.spacing', '"log"', '--spacing']],
  [['--steps-offset', '900'], 'CONFIG_INVALID', ['stepsOffset', 'got 900']],
  [['--sampler', 'heun', '--churn', '-1'], 'CONFIG_INVALID', ['sampler.churn.amount', 'got -1', '--churn']],
  [['--clip', 'all'], 'CONFIG_INVALID', ['sampler.clipping.max', '"all"', '--clip']],
  [['--clip', '1', '--threshold', '0.9'], 'OPTION_INVALID', ['--clip', '--threshold']],
  [['--set', 'batchSize=3'], 'OPTION_INVALID', ['batchSize', 'sampler']],
])('%j is refused', { timeout: 60_000 }, async (options, code, contains) => {
  await expect(dmJson(['sample', '--run', 'run', '--out', 'x.npy', ...options], folder)).rejects.toThrowWith({
    code,
    contains,
  });
});
