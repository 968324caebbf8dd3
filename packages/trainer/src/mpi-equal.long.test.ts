// The built command in processes of mpirun trains what a single process trains. `nx run mpi:equal` requires MPI.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseSafetensors } from '@dm/models';
import { launch, mpiLaunchers, type TestLauncher } from '@dm/mpi/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PartialConfig } from './config/schema.js';
import { train } from './train.js';
import { checkpointFiles, rankConfig, reproducibleLog } from './testing/ranks.js';
import { tinyDit, tinyFolder, tinyUnet } from './testing/tiny.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const engine: PartialConfig = { engine: 'onnx', threads: 1 };

/** Runs `dm train` in `size` processes; returns the path of its checkpoint. */
async function trainIn(
  launcher: TestLauncher,
  size: number,
  config: PartialConfig,
  ...flags: string[]
): Promise<string> {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  const args = [
    cli,
    'train',
    '--json',
    ...(flags.includes('--resume') ? ['--out', config.out!] : ['--config', path]),
    ...flags,
  ];
  const { code, out, error } = await launch(launcher, size, args).ended;
  expect([code, error.replaceAll('dm: loading ...\n', '')]).toEqual([0, '']);
  const last = JSON.parse(out.trim().split('\n').at(-1)!) as { readonly checkpoint: string };
  return last.checkpoint;
}

const parts: Readonly<Record<string, PartialConfig>> = {
  'clipped gradients': { optimizer: { type: 'adamW', maxGradNorm: 0.01 } },
  'learned uncertainty, labels, flips': { uncertainty: { lr: 0.01 }, conditional: true, flip: true },
  'a curriculum with a state, a second average': {
    curriculum: { type: 'lossSecondMoment' },
    extraEmas: { slow: { type: 'fixed', decay: 0.99 } },
  },
};

describe.each(mpiLaunchers())('under mpirun of $name', (launcher) => {
  it.each(Object.entries(parts))('two ranks equal one with two micro-batches, to the bit: %s', async (_, part) => {
    const two = await trainIn(launcher, 2, rankConfig(folder, 'two', { ...engine, ...part }));
    const one = await train(rankConfig(folder, 'one', { ...engine, ...part, gradientAccumulation: 2 }));
    expect(checkpointFiles(two)).toEqual(checkpointFiles(one.checkpoint));
    // Through the C API as in a single process: MPI and ONNX Runtime are both called through koffi.
    expect(readFileSync(join(folder, 'two', 'config.json'), 'utf8')).not.toContain('JavaScript API');
    expect(reproducibleLog(join(folder, 'two'))).toEqual(reproducibleLog(one.out));
  });

  it('four ranks equal themselves to the bit, and one within 1e-5; two, four and one continue each other', async () => {
    const sgd: PartialConfig = { ...engine, optimizer: { type: 'sgd' } };
    const four = await trainIn(launcher, 4, rankConfig(folder, 'four', sgd));
    const again = await trainIn(launcher, 4, rankConfig(folder, 'again', sgd));
    expect(checkpointFiles(again)).toEqual(checkpointFiles(four));
    const one = await train(rankConfig(folder, 'one', sgd));
    const mixed = rankConfig(folder, 'mixed', { ...sgd, budgets: { steps: 1 } });
    await trainIn(launcher, 2, mixed);
    await trainIn(launcher, 4, mixed, '--resume');
    await train({ out: mixed.out, budgets: { steps: null } }, { resume: true });
    const last = join(mixed.out!, 'checkpoints', 'step-000004');
    expect(existsSync(last)).toBe(true);
    const expected = parametersOf(one.checkpoint);
    for (const checkpoint of [four, last]) {
      expect(parametersOf(checkpoint)).toBeAllClose(expected, { rtol: 1e-5, relativeTo: 'norm' });
    }
  });
});

const models = { dit: { type: 'dit', ...tinyDit }, unet: { type: 'unet', ...tinyUnet } } as const;
const optimizers = ['adamW', 'adam', 'sgd', 'lion', 'muon', 'adEMAMix', 'scheduleFreeAdamW'] as const;
const cases: readonly { readonly model: keyof typeof models; readonly optimizer: (typeof optimizers)[number] }[] = [
  ...optimizers.map((optimizer) => ({ model: 'dit', optimizer }) as const),
  { model: 'unet', optimizer: 'adamW' },
  { model: 'unet', optimizer: 'muon' },
];

/** Trains the configurations, one after another, in `size` processes of one launch; returns their last checkpoints. */
async function trainAll(launcher: TestLauncher, size: number, configs: readonly PartialConfig[]): Promise<string[]> {
  const built = (file: string) => JSON.stringify(pathToFileURL(fileURLToPath(new URL(file, import.meta.url))).href);
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { openWorld } from ${built('../../mpi/dist/index.js')};
     import { train } from ${built('../dist/index.js')};
     const world = await openWorld();
     for (const config of ${JSON.stringify(configs)}) {
       const { checkpoint } = await train(config, { world });
       if (world.rank === 0) console.log(checkpoint);
     }
     await world.close();`,
  );
  const { code, out, error } = await launch(launcher, size, [program]).ended;
  expect(code, error).toBe(0);
  return out.trim().split('\n');
}

it.runIf(mpiLaunchers().length > 0)('every model with every optimizer, with a table', async () => {
  // A checkpoint after every step, since the ranks then compare their hashes of weights and optimizer state.
  const configOf = (name: string, i: number, part: PartialConfig = {}) =>
    rankConfig(folder, `${name}-${i}`, {
      ...engine,
      model: models[cases[i]!.model],
      optimizer: {
        type: cases[i]!.optimizer,
        ...(cases[i]!.optimizer === 'adEMAMix' && { momentumDecay: null }),
        ...(cases[i]!.optimizer === 'scheduleFreeAdamW' && { momentumDecay: null }),
      },
      ...(cases[i]!.optimizer === 'scheduleFreeAdamW' && { ema: { type: 'scheduleFree' } }),
      checkpoints: { every: 1, keepLast: 9 },
      ...part,
    });
  const all = (name: string) => cases.map((_, i) => configOf(name, i));
  const [alone, accumulated]: [string[], string[]] = [[], []];
  for (const i of cases.keys()) {
    alone.push((await train(configOf('alone', i))).checkpoint);
    accumulated.push((await train(configOf('accumulated', i, { gradientAccumulation: 2 }))).checkpoint);
  }
  const rows: string[][] = cases.map(({ model, optimizer }) => [model, optimizer]);
  for (const launcher of mpiLaunchers()) {
    const name = launcher.name.replace(' ', '');
    const two = await trainAll(launcher, 2, all(`${name}-two`));
    const four = await trainAll(launcher, 4, all(`${name}-four`));
    for (const [i, row] of rows.entries()) {
      expect(checkpointFiles(two[i]!), row.join()).toEqual(checkpointFiles(accumulated[i]!));
      row.push('equal', ...[two, four].map((of) => relativeDifference(of[i]!, alone[i]!).toExponential(0)));
    }
  }
  const of = mpiLaunchers().flatMap(({ name }) => [`${name}, 2 = accumulation 2`, `2 to 1`, `4 to 1`]);
  const head = ['model', 'optimizer', ...of];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  process.stdout.write(`${lines.join('\n')}\n`);
});

/** Norm of the difference of all parameters, relative to the norm of the second checkpoint's. */
function relativeDifference(checkpoint: string, reference: string): number {
  const [a, b] = [parametersOf(checkpoint), parametersOf(reference)];
  return Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...b);
}

/** All parameters of a checkpoint in one array. */
function parametersOf(checkpoint: string): number[] {
  const { tensors } = parseSafetensors(readFileSync(join(checkpoint, 'model.safetensors')));
  return Object.values(tensors).flatMap(({ data }) => Array.from(data));
}
