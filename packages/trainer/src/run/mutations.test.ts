// A run, its checkpoints and an exported pipeline with one value after the other replaced: whatever reads them gives a
// value, or an error about the file. Never a fault of this program.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DmError } from '@dm/ops';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveCheckpoint } from '../checkpoint/resolve.js';
import { writeBest } from '../checkpoint/best.js';
import { isFault } from '../errors.js';
import { exportModel } from '../interchange/export.js';
import { importPipeline } from '../interchange/import.js';
import { readRun } from '../report/run-data.js';
import { openRunSource } from '../eval/sets/run-source.js';
import { makeRun } from '../testing/run.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { runFolder } from './run-folder.js';

const mutationsPerFile = 250;

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
beforeAll(async () => {
  folder = await tinyFolder();
  await train({ ...tinyConfig(folder, 2), conditional: false });
  await exportModel({ run: at('run'), format: 'diffusers', out: at('pipeline') });
  writeBest(at('run', 'checkpoints'), { step: 2, metric: 'FD-pixels', value: 1 });
  await makeRun(folder, 'made', { steps: [1, 2, 3, 4], probed: [0, 2, 4], samples: [2] });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Random = (below: number) => number;

/** Whole numbers from 0, the same for each seed: a linear congruential generator, Park and Miller 1988. */
function randomOf(seed: number): Random {
  let state = seed + 1;
  return (below) => (state = (state * 48_271) % 0x7fffffff) % below;
}

const deep = '['.repeat(5000) + ']'.repeat(5000);
const strange: readonly unknown[] = [
  null, true, false, 0, -1, 0.5, 1e-300, 1e308, 2 ** 53, -(2 ** 31), 100_000, '', 'x', '../../x', '/etc/passwd',
  'x'.repeat(5000), '\u0000\u001b[31m', '__proto__', [], {}, [null], [[]], [{}], { type: null }, { type: 'x' },
  { __proto__: null, constructor: 1 }, Array.from({ length: 2000 }, () => 1),
]; // prettier-ignore

/** Every place of a document: an object or list, and a key of it. */
function places(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return [];
  const fields = value as Record<string, unknown>;
  return Object.keys(fields).flatMap((key) => [[fields, key] as [typeof fields, string], ...places(fields[key])]);
}

/** One line of the text with one of its values replaced, removed or doubled; or the text cut, or with a byte changed. */
function mutated(text: string, random: Random, isLines: boolean): string {
  const pick = <T>(items: readonly T[]): T => items[random(items.length)]!;
  switch (random(12)) {
    case 0:
      return text.slice(0, random(text.length));
    case 1: {
      const i = random(text.length);
      return `${text.slice(0, i)}${pick(['"', '{', '}', '[', ',', ':', '\n', '9', '\u{1f600}', 'e999'])}${text.slice(i + 1)}`;
    }
    case 2:
      return `${pick([...strange.map((value) => JSON.stringify(value)), deep])}\n`;
  }
  const lines = isLines ? text.trimEnd().split('\n') : [text];
  const n = random(lines.length);
  const document = JSON.parse(lines[n]!) as unknown;
  const all = places(document);
  if (all.length === 0) return text;
  const [parent, key] = pick(all);
  const value = random(30) === 0 ? 'DEEP' : pick(strange);
  const change = random(8);
  if (change === 0) delete parent[key];
  else if (change === 1) parent[`${key}x`] = value;
  else parent[key] = value;
  lines[n] = JSON.stringify(document).replace('"DEEP"', deep);
  return `${lines.join('\n')}\n`;
}

const report = () => readRun(runFolder(at('made')));
const latest = () => resolveCheckpoint({ run: at('run') }, []);
const best = () => resolveCheckpoint({ run: at('run'), best: true }, []);
const sample = async () => {
  const source = await openRunSource({ run: at('run'), count: 2 });
  await source.dispose();
};
let imports = 0;
const pipeline = async () => {
  const out = at(`imported-${imports++}`);
  await importPipeline({ folder: at('pipeline'), out });
  rmSync(out, { recursive: true });
};

it.each([
  ['made/config.json', report],
  ['made/metrics.jsonl', report],
  ['made/difficulty.jsonl', report],
  ['run/config.json', sample],
  ['run/checkpoints/best.json', best],
  ['run/checkpoints/step-000002/manifest.json', latest],
  ['pipeline/model_index.json', pipeline],
  ['pipeline/unet/config.json', pipeline],
  ['pipeline/scheduler/scheduler_config.json', pipeline],
] as const)(
  'reads %s with any value in any place, or says what is wrong with it',
  async (file, read) => {
    const path = at(file);
    cpSync(path, `${path}.good`);
    const good = readFileSync(path, 'utf8');
    const faults: string[] = [];
    let refused = 0;
    for (let seed = 0; seed < mutationsPerFile; seed++) {
      const text = mutated(good, randomOf(seed), file.endsWith('.jsonl'));
      writeFileSync(path, text);
      try {
        await read();
      } catch (error) {
        refused++;
        const said = error instanceof Error ? error.message : String(error);
        // A configuration has many layers: an error in a value names the field.
        const isNamed = said.includes(folder) || file.endsWith('/config.json');
        if (isFault(error) || !(error instanceof DmError || error instanceof RangeError) || !isNamed) {
          faults.push(`seed ${seed}: ${error instanceof Error ? error.stack?.slice(0, 600) : said}`);
        }
      }
    }
    writeFileSync(path, good);
    expect(faults.slice(0, 5), `${faults.length} of ${refused} refusals`).toEqual([]);
    expect(refused).toBeGreaterThan(mutationsPerFile / 10);
  },
  300_000,
);
