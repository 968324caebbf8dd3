/**
 * The command line: `node dist/main.js --scale laptop` trains the networks that are missing, compares their images, and
 * writes results/laptop, or with `--report` only writes its page; `--scale smoke` trains two networks for two steps and keeps nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { digitRuns } from '@dm/experiments';
import { atomicWriteFileAsync, makeFolder, readJsonFile } from '@dm/files';
import { groups, networks, type Network, runNames } from './networks.js';
import { resultsPage } from './page.js';
import { compareNetworks, type Results } from './run.js';

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: 'smoke' },
    /** Train no network except the control, which takes one step, and name the missing ones. */
    trained: { type: 'boolean', default: false },
    /** Only write the page, from the results at hand. */
    report: { type: 'boolean', default: false },
  },
});

switch (values.scale) {
  case 'smoke':
    await smoke();
    break;
  case 'laptop':
    await laptop();
    break;
  default:
    console.error('Use: main.js --scale smoke | laptop [--trained | --report]');
    process.exitCode = 1;
}

async function laptop(): Promise<void> {
  const folder = join(fileURLToPath(new URL('..', import.meta.url)), 'results', 'laptop');
  makeFolder(folder);
  const write = (name: string, text: string) =>
    atomicWriteFileAsync(join(folder, name), (file) => file.writeFile(text));
  const path = join(folder, 'results.json');
  if (!values.report) await write('results.json', `${JSON.stringify(await compare(folder), null, 2)}\n`);
  await write('README.md', resultsPage(readJsonFile(path) as Results));
}

async function compare(pictures: string): Promise<Results> {
  return compareNetworks({
    networks,
    groups,
    control: { network: 'untrained', seed: 100 },
    runOf: (name, seed) => join(digitRuns, `${runNames[name as keyof typeof runNames]}.seed-${seed}`),
    count: 200,
    steps: 50,
    split: 'train',
    trainMissing: !values.trained,
    swap: { network: 'adamw', every: 5 },
    pictures,
  });
}

async function smoke(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dm-same-noise-'));
  const short = ({ config }: Network): Network => ({ description: '', config, steps: 2, seeds: [1] });
  try {
    const results = await compareNetworks({
      networks: { adamw: short(networks.adamw), flow: short(networks.flow) },
      groups: [{ name: 'both', networks: ['adamw', 'flow'] }],
      control: { network: 'adamw', seed: 2 },
      runOf: (name, seed) => join(folder, `${name}.seed-${seed}`),
      count: 20,
      steps: 10,
      split: 'test',
      trainMissing: true,
      swap: { network: 'adamw', every: 5 },
      pictures: folder,
      sameSeed: true,
    });
    console.log(JSON.stringify(results));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
