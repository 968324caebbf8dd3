// The commands of the guides run in the order of the page, with a tiny model on a few images.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageGrid } from '@dm/data';
import { afterAll, beforeAll, expect, it } from 'vitest';

const dm = join(import.meta.dirname, '..', 'packages', 'trainer', 'dist', 'cli.js');
const guides = ['own-images', 'resume', 'evaluation', 'interchange', 'recipes', 'faq'];

/** Combined with the options of each `dm train` that begins a run without a configuration. */
const tiny = {
  model: {
    type: 'unet',
    block_out_channels: [8, 8],
    down_block_types: ['DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 4,
  },
  batchSize: 4,
  totalSteps: 4,
  samples: 2,
  sampler: { type: 'ddim', steps: 2 },
  evaluation: { samples: 4 },
  checkpoints: { every: 2 },
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-guides-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with images of two classes: stripes in random colors, wider for dogs. */
async function prepare(page: string): Promise<string> {
  const cwd = join(folder, page);
  for (const [kind, width] of Object.entries({ cats: 3, dogs: 8 })) {
    mkdirSync(join(cwd, 'photos', kind), { recursive: true });
    for (let n = 0; n < 12; n++) {
      const gray = (i: number): number => (Math.floor((i % 40) / width) % 2 === 0 ? 20 * n : 255 - n);
      const pixels = Uint8Array.from({ length: 40 * 40 * 3 }, (_, i) => gray(Math.floor(i / 3)));
      const png = await imageGrid(pixels, { shape: [40, 40, 3], columns: 1, gap: 0 });
      writeFileSync(join(cwd, 'photos', kind, `${n}.png`), png);
    }
  }
  writeFileSync(join(cwd, 'tiny.json'), JSON.stringify(tiny));
  return cwd;
}

/** The command with numbers that fit the tiny run; the guides have those of real ones. */
const scaled = (command: string): string =>
  command
    .replaceAll(/(?<=--step-budget )\d+/g, '1')
    .replaceAll(/(?<=--(?:extend|validate-every|eval-every) )\d+/g, '2')
    .replaceAll(/(?<=--steps )\d+/g, '4')
    .replaceAll(/(?<=--count )\d+/g, (count) => String(Math.min(16, Number(count))))
    .replaceAll(/(?<=--hold-out )[\d.]+/g, '0.2')
    .replaceAll(/(?<=emaSnapshots\.every=)\d+/g, '1');

/** Runs a command of a guide; returns its exit code and output. */
async function run(cwd: string, command: string): Promise<{ code: unknown; output: string }> {
  const [words, out] = scaled(command).split(' > ');
  const [, name = '', ...args] = words!.split(/\s+/);
  const takesTiny = name === 'train' && !['--resume', '--extend', '--config'].some((option) => args.includes(option));
  const all = [dm, name, ...(takesTiny ? ['--config', 'tiny.json'] : []), ...args];
  const child = spawn(process.execPath, all, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (out !== undefined) writeFileSync(join(cwd, out), stdout);
  return { code, output: stdout + stderr };
}

it.each(guides)('%s.md: every command runs', async (page) => {
  const text = readFileSync(join(import.meta.dirname, `${page}.md`), 'utf8');
  const commands = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, code]) => code!.trim().split('\n'));
  expect(commands.length).toBeGreaterThan(0);
  const cwd = await prepare(page);
  for (const command of commands) {
    expect(command).toMatch(/^dm /);
    const { code, output } = await run(cwd, command);
    expect(code, `${command}\n${output}`).toBe(0);
  }
});
