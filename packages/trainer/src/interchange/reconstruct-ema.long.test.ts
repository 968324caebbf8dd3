// The table in README.md: averages that are reconstructed after a run of 2 000 steps, against the same ones tracked during it.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseSafetensors } from '@dm/models';
import { expect, it } from 'vitest';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { reconstructEma } from './reconstruct-ema.js';

const steps = 2000;
const widths = { narrow: 0.07, wide: 0.15 };

/** All values of a file with weights, by tensor name in alphabetical order. */
function valuesOf(path: string): number[] {
  const { tensors } = parseSafetensors(readFileSync(path));
  return Object.keys(tensors)
    .toSorted()
    .flatMap((name) => [...tensors[name]!.data]);
}

const distance = (a: readonly number[], b: readonly number[]) => Math.hypot(...a.map((value, i) => value - b[i]!));

it('averages of widths .07 and .15 are near those tracked during a run of 2,000 steps', async () => {
  const folder = await tinyFolder();
  try {
    const { out: run, checkpoint } = await train({
      ...tinyConfig(folder, steps),
      engine: 'onnx',
      model: { type: 'dit', ...tinyDit, hidden_size: 32 },
      optimizer: { momentumDecay: null, lr: 2e-3 },
      logEvery: 500,
      checkpoints: { every: 0 },
      emaSnapshots: { every: 50 },
      extraEmas: Object.fromEntries(
        Object.entries(widths).map(([name, relativeStd]) => [name, { type: 'karras', relativeStd } as const]),
      ),
    });
    const rows: (number | string)[][] = [];
    for (const every of [50, 250, 500]) {
      // A run with fewer snapshots: the same files without those in between.
      const sparse = mkdtempSync(join(folder, 'sparse-'));
      cpSync(run, sparse, { recursive: true });
      for (const name of readdirSync(join(sparse, 'ema-snapshots'))) {
        if (Number(/step-(\d+)/.exec(name)![1]) % every !== 0) rmSync(join(sparse, 'ema-snapshots', name));
      }
      for (const [name, relativeStd] of Object.entries(widths)) {
        const out = join(folder, `${name}-${every}.safetensors`);
        const { profileError } = await reconstructEma({ run: sparse, relativeStd, out });
        const tracked = valuesOf(join(checkpoint, `ema-${name}.safetensors`));
        const stored = valuesOf(join(run, `ema-snapshots/step-00${steps}-0.1.safetensors`));
        const raw = valuesOf(join(checkpoint, 'model.safetensors'));
        const error = distance(valuesOf(out), tracked);
        rows.push([
          relativeStd,
          every,
          profileError,
          error / distance(stored, tracked),
          error / distance(raw, tracked),
        ]);
      }
    }
    report(rows);
    for (const [, every, , ofNearest] of rows)
      expect(ofNearest).toBeLessThan({ 50: 0.001, 250: 0.05, 500: 0.2 }[every!]!);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 240_000);

/** Width, interval of the snapshots, profile error; distance to the tracked average relative to that of the .1 snapshot, and of the last weights. */
function report(rows: readonly (readonly (number | string)[])[]): void {
  // oxlint-disable-next-line no-console
  console.log(rows.map((row) => row.map((value) => Number(value).toPrecision(3)).join('  ')).join('\n'));
}
