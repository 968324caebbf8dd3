// The built command in processes of mpirun trains what a single process trains. `nx run mpi:equal` requires MPI.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSafetensors } from '@dm/models';
import { launch, mpiLaunchers, type TestLauncher } from '@dm/mpi/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PartialConfig } from './config/schema.js';
import { train } from './train.js';
import { checkpointFiles, rankConfig, reproducibleLog } from './testing/ranks.js';
import { tinyFolder } from './testing/tiny.js';

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
  adamW: { optimizer: { type: 'adamW', maxGradNorm: 0.01 } },
  adam: { optimizer: { type: 'adam' } },
  sgd: { optimizer: { type: 'sgd' } },
  lion: { optimizer: { type: 'lion' } },
  muon: { optimizer: { type: 'muon' } },
  adEMAMix: { optimizer: { type: 'adEMAMix', momentumDecay: null } },
  scheduleFreeAdamW: { optimizer: { type: 'scheduleFreeAdamW', momentumDecay: null }, ema: { type: 'scheduleFree' } },
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

/** All parameters of a checkpoint in one array. */
function parametersOf(checkpoint: string): number[] {
  const { tensors } = parseSafetensors(readFileSync(join(checkpoint, 'model.safetensors')));
  return Object.values(tensors).flatMap(({ data }) => Array.from(data));
}
