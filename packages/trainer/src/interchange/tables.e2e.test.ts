// The tables and the plot that the built command writes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linearSchedule } from '@dm/core';
import { createTimestepSchedule, lossWeights, snrFromAlphasCumprod } from '@dm/curriculum';
import { readNpz } from '@dm/data';
import { cosineLr, momentumDecay, withWarmup } from '@dm/optim';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dm, dmJson } from '../testing/command.js';
import { tinyArguments, tinyFolder } from '../testing/tiny.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-tables-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Table {
  readonly meta: Readonly<Record<string, unknown>>;
  readonly arrays: Readonly<Record<string, readonly number[]>>;
}

/** The table that a command writes, in both formats, which have the same content. */
async function tableOf(command: string): Promise<Table> {
  const args = command.split(' ');
  expect(await dm([...args, '--out', 'table.json'], folder)).toMatchObject({ code: 0, stderr: '' });
  expect(await dm([...args, '--out', 'table.npz'], folder)).toMatchObject({ code: 0, stderr: '' });
  const table = JSON.parse(readFileSync(join(folder, 'table.json'), 'utf8')) as Table;
  const { meta, ...arrays } = await readNpz(join(folder, 'table.npz'));
  expect(JSON.parse(new TextDecoder().decode(meta!.data as Uint8Array))).toEqual(table.meta);
  expect(
    Object.fromEntries(Object.entries(arrays).map(([name, { data }]) => [name, Array.from(data as Float64Array)])),
  ).toEqual(table.arrays);
  return table;
}

it('dm curriculum table: density, lambda and loss weights of each prediction', async () => {
  const { meta, arrays } = await tableOf(
    'curriculum table --schedule clts --timesteps 100 --steps 40 --noise-schedule linear --loss-weighting minSnr --set curriculum.sigma=0.5',
  );
  expect(meta).toMatchObject({
    kind: 'dm-curriculum-table',
    version: 1,
    numTimesteps: 100,
    totalSteps: 40,
    importanceCorrected: false,
    curriculum: { type: 'clts', sigma: 0.5 },
    noiseSchedule: { type: 'linear' },
    lossWeighting: { type: 'minSnr' },
  });
  const { density, lambda, weights } = arrays;
  const schedule = createTimestepSchedule('clts', { numTimesteps: 100, totalSteps: 40 }, { sigma: 0.5 });
  expect(lambda).toHaveLength(40);
  for (const step of [0, 13, 39]) {
    const p = density!.map((g) => (1 - lambda![step]!) / 100 + lambda![step]! * g);
    expect(p).toEqual(Array.from(schedule.density(step)));
  }
  expect(weights).toEqual(Array.from({ length: 100 }, () => 1));
  const snr = snrFromAlphasCumprod(linearSchedule({ numTimesteps: 100 }).alphasCumprod);
  for (const prediction of ['epsilon', 'x0', 'v', 'flow', 'edm'] as const) {
    expect(arrays[`lossWeights.${prediction}`]).toEqual(
      Array.from(lossWeights({ name: 'minSnr' }, { snr, prediction })),
    );
  }
});

it('dm curriculum table: the scale of normalized loss weights at each step', async () => {
  const command = 'curriculum table --schedule clts --timesteps 50 --steps 6 --loss-weighting minSnr';
  const { arrays } = await tableOf(command);
  const { density, lambda } = arrays;
  const weights = arrays['lossWeights.v']!;
  const expected = lambda!.map(
    (share) => 1 / weights.reduce((sum, w, t) => sum + w * ((1 - share) / 50 + share * density![t]!), 0),
  );
  expect(arrays['lossScale.v']).toBeAllClose(expected, { rtol: 1e-12 });
  const plain = await tableOf(`${command} --set normalizeLossWeights=false`);
  expect(Object.keys(plain.arrays).filter((name) => name.startsWith('lossScale'))).toEqual([]);
});

it('dm curriculum table: a schedule that does not change has one row; infinite loss weights are left out', async () => {
  const { meta, arrays } = await tableOf(
    'curriculum table --schedule cltsCorrected --steps 30 --loss-weighting edm --set diffusion.schedule.zeroTerminalSnr=true curriculum.rampSteps=1',
  );
  expect(meta).toMatchObject({ importanceCorrected: true });
  expect(Object.keys(arrays).toSorted()).toEqual(
    [
      'density',
      'lambda',
      'weights',
      ...['x0', 'v', 'flow', 'edm'].map((name) => `lossWeights.${name}`),
      // All weights of EDM's F are 1.
      ...['x0', 'v', 'flow'].map((name) => `lossScale.${name}`),
    ].toSorted(),
  );
  const still = await tableOf('curriculum table --schedule speed --steps 30');
  expect(still.arrays['lambda']).toEqual([1]);
  expect(new Set(still.arrays['weights']).size).toBeGreaterThan(10);
});

it('dm optim table: learning rate and beta1 of each step', async () => {
  const { meta, arrays } = await tableOf(
    'optim table --lr 0.001 --steps 50 --lr-schedule cosine --set optimizer.warmup=5',
  );
  expect(meta).toMatchObject({ kind: 'dm-optimizer-table', version: 1, totalSteps: 50, optimizer: { type: 'adamW' } });
  const { lr, beta1 } = momentumDecay({ lr: withWarmup(cosineLr({ lr: 0.001, totalSteps: 50 }), 5), totalSteps: 50 });
  const steps = Array.from({ length: 50 }, (_, step) => step);
  expect(arrays).toEqual({ lr: steps.map(lr), beta1: steps.map(beta1) });

  const constant = await tableOf('optim table --steps 3 --lr 0.5 --no-momentum-decay');
  expect(constant.arrays).toEqual({ lr: [0.5, 0.5, 0.5], beta1: [0.9, 0.9, 0.9] });
  const muon = await tableOf('optim table --optimizer muon --steps 2');
  expect(muon.arrays).toMatchObject({
    matrixLr: [0.02, expect.any(Number)],
    matrixMomentum: [0.95, expect.any(Number)],
  });
});

it('dm curriculum plot: in the terminal, as JSON, and as SVG', async () => {
  const args = ['curriculum', 'plot', '--schedule', 'clts', '--steps', '200', '--set', 'curriculum.lambdaMax=1'];
  const { code, stdout, stderr } = await dm([...args, '--out', 'plot.svg'], folder);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^ +0 {2}(.)\1{31} .* 1\.000$/m);
  expect(stdout).toMatch(/^ *199 .*█.* 0\.\d{3}$/m);
  const svg = readFileSync(join(folder, 'plot.svg'), 'utf8');
  expect([...svg.matchAll(/aria-roledescription="line mark"/g)]).toHaveLength(5 + 5 + 1);
  const [event, end] = (await dmJson([...args, '--out', 'plot.svg'], folder)) as { moments?: object[] }[];
  expect(end).toEqual({ event: 'end', out: 'plot.svg' });
  expect(event).toMatchObject({ curriculum: { type: 'clts' }, numTimesteps: 1000, totalSteps: 200 });
  expect(event!.moments!.at(0)).toEqual({
    step: 0,
    quantiles: [49, 249, 499, 749, 949],
    effectiveSampleSize: expect.closeTo(1, 9) as number,
  });
  expect(event!.moments!.at(-1)).toMatchObject({ step: 199, effectiveSampleSize: expect.closeTo(0.08, 1) as number });
});

it('--run uses the configuration of a run', async () => {
  const runs = await tinyFolder();
  try {
    await dm(tinyArguments(runs, 4, 'run'), runs);
    const [table] = await dmJson(['curriculum', 'table', '--run', 'run', '--out', 'c.npz'], runs);
    expect(table).toMatchObject({ numTimesteps: 20, totalSteps: 4, arrays: { density: [20], lambda: [4] } });
    const [optim] = await dmJson(['optim', 'table', '--run', 'run', '--steps', '9', '--out', 'o.npz'], runs);
    expect(optim).toMatchObject({ totalSteps: 9, optimizer: { lr: 4e-3 }, arrays: { lr: [9], beta1: [9] } });
  } finally {
    rmSync(runs, { recursive: true });
  }
});

it.each<[string[], string, string[]]>([
  [['curriculum', 'table', '--out', 'x.csv'], 'OPTION_INVALID', ['x.csv', '.npz', '.json']],
  [['curriculum', 'plot', '--out', 'x.png'], 'OPTION_INVALID', ['x.png', '.svg']],
  [['optim', 'table', '--out', 'x'], 'OPTION_INVALID', ['--out x', '.npz']],
  [['curriculum', 'table'], 'commander.missingMandatoryOptionValue', ['--out']],
  [['curriculum', 'table', '--schedule', 'lossSecondMoment', '--out', 'x.npz'], 'CONFIG_INVALID', ['lossSecondMoment']],
  [['curriculum', 'plot', '--schedule', 'difficultyCurriculum'], 'CONFIG_INVALID', ['difficultyCurriculum']],
  [['curriculum', 'plot', '--schedule', 'ctls'], 'CONFIG_INVALID', ['curriculum.type', 'clts', '--schedule']],
  [['curriculum', 'plot', '--set', 'curriculum.sigma=0'], 'CONFIG_INVALID', ['curriculum.sigma', 'got 0']],
  [['curriculum', 'plot', '--set', 'curriculum.mu=99'], 'CONFIG_INVALID', ['mass']],
  [['curriculum', 'plot', '--timesteps', 'many'], 'CONFIG_INVALID', ['diffusion.timesteps', '"many"', '--timesteps']],
  [
    ['optim', 'table', '--optimizer', 'scheduleFreeAdamW', '--no-momentum-decay', '--out', 'x.npz'],
    'CONFIG_INVALID',
    ['scheduleFreeAdamW'],
  ],
  [
    ['optim', 'table', '--optimizer', 'adEMAMix', '--out', 'x.npz'],
    'CONFIG_INVALID',
    ['adEMAMix', 'optimizer.momentumDecay=null'],
  ],
  [['optim', 'table', '--lr', '-1', '--out', 'x.npz'], 'CONFIG_INVALID', ['optimizer.lr', 'got -1', '--lr']],
])('dm %j is refused', async (args, code, contains) => {
  await expect(dmJson(args, folder)).rejects.toThrowWith({ code, contains });
});
