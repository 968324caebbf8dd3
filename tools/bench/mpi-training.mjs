// Measures whole training steps of one process and of two ranks on this machine. Writes results/mpi-training.json and a
// table of docs/several-machines.md.
//
//   nx run bench:mpi-training
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeNpz } from '@dm/data';
import { readMetrics } from '@dm/trainer';
import { cases } from './cases.mjs';
import { localLaunchers, machine, round } from './mpi-machine.mjs';
import { writeTrainingTable } from './mpi-tables.mjs';
import { quantile } from './summary.mjs';

const { values } = parseArgs({
  options: {
    /** Every configuration is measured once per round. */
    rounds: { type: 'string', default: '3' },
    /** Per round; the first two are not counted. */
    steps: { type: 'string', default: '6' },
  },
});
const [rounds, steps] = [Number(values.rounds), Number(values.steps)];
if (!(Number.isSafeInteger(rounds) && rounds >= 1 && Number.isSafeInteger(steps) && steps >= 3)) {
  throw new RangeError(
    `--rounds must be an integer of at least 1 and --steps of at least 3, got ${rounds} and ${steps}`,
  );
}

const { config, batch } = /** @type {import('./cases.mjs').Case} */ (
  cases.find(({ name }) => name === 'unet-32x32x3-batch-16')
);
const [side, channels] = [Number(config.sample_size), Number(config.in_channels)];
/** The trainer takes the shape of the images from the data. */
const ofImages = /^(sample_size|in_channels|out_channels)$/;
const unet = Object.fromEntries(Object.entries(config).filter(([name]) => !ofImages.test(name)));
const cli = fileURLToPath(new URL('../../packages/trainer/dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dm-mpi-training-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const images = 64;
const data = join(folder, 'data.npz');
await writeNpz(data, {
  images: {
    shape: [images, side, side, channels],
    data: Uint8Array.from({ length: images * side * side * channels }, (_, i) => (i * i) % 251),
  },
});

/** @typedef {{ library: string, command: string[], ranks: number, threads: number }} Setup */
/** @type {Setup[]} */
const setups = [
  ...[1, 2].map((threads) => ({ library: 'none', command: [], ranks: 1, threads })),
  ...localLaunchers().map(({ name, command, args }) => {
    return { library: name, command: [command, ...args, '-n', '2'], ranks: 2, threads: 1 };
  }),
];
const measured = setups.map((setup) => ({ setup, records: /** @type {import('@dm/trainer').MetricsRecord[]} */ ([]) }));
for (let turn = 0; turn < rounds; turn++) {
  for (const [i, { setup, records }] of measured.entries()) {
    const out = join(folder, `run-${turn}-${i}`);
    const path = join(folder, 'config.json');
    const schedule = {
      totalSteps: steps,
      logEvery: 1,
      sampleEvery: 0,
      samples: 1,
      sampler: { steps: 1 },
      checkpoints: { every: 0, keepLast: 1 },
    };
    const engine = { engine: 'onnx', threads: setup.threads };
    writeFileSync(
      path,
      JSON.stringify({ data, model: { type: 'unet', ...unet }, batchSize: batch, ...schedule, ...engine, out }),
    );
    const [program, ...args] = [...setup.command, process.execPath, cli, 'train', '--json', '--config', path];
    const { status, stderr } = spawnSync(program, args, {
      encoding: 'utf8',
      env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
    });
    if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
    records.push(...readMetrics(join(out, 'metrics.jsonl')).slice(2));
    console.log(`${setup.library}, ranks ${setup.ranks}, threads ${setup.threads}: round ${turn + 1} of ${rounds}`);
  }
}

const results = measured.map(({ setup: { library, ranks, threads }, records }) => {
  const rates = records.map(({ imagesPerSecond }) => imagesPerSecond);
  return {
    model: 'UNet, 32x32x3',
    parameters: 6_472_195,
    batchSize: batch,
    library,
    ranks,
    threads,
    imagesPerSecond: round(quantile(rates, 0.5)),
    minImagesPerSecond: round(Math.min(...rates)),
    maxImagesPerSecond: round(Math.max(...rates)),
    exchangeWait: round(
      quantile(
        records.map(({ exchangeWait = 0 }) => exchangeWait),
        0.5,
      ),
    ),
    steps: records.length,
    ...machine(),
  };
});
writeFileSync(new URL('results/mpi-training.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
console.log(writeTrainingTable(results));
